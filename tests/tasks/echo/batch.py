"""A table's texts, heard again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.contract import Batch, known_options


def bind(options: Mapping[str, Any]) -> Batch:
    known_options(options, {}, "an echo")
    return Batch(
        columns={"heard": "text"},
        answer=lambda model, text: {"heard": model.verbs.echo(text)},
        side_by_side=True,
    )

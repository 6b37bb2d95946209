"""The recipes beside a sample's own: each extends a shipped one and starts from its teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

VARIANTS = ("lossless", "small", "tiny", "static")
"""`classify-<variant>` is the shipped recipe, `<variant>.yaml` the file."""

_COMMENT = """\
# {sample} by the shipped recipe classify-{variant}. Starts from the teacher of recipe.yaml:
# run `edgekit compress recipe.yaml` first.
"""


def write(
    folder: Path,
    sample: str,
    *,
    languages: Sequence[str],
    variants: Sequence[str] = VARIANTS,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Writes `<variant>.yaml` for each variant; `more` are further keys of the recipe."""
    for variant in variants:
        recipe = {
            "version": 1,
            "name": f"{sample}-{variant}",
            "extends": f"builtin/classify-{variant}",
            "languages": list(languages),
            "model": "./out/teacher",
            **(more or {}),
        }
        body = yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None, width=96)
        text = _COMMENT.format(sample=sample, variant=variant) + body
        (folder / f"{variant}.yaml").write_text(text, encoding="utf-8")

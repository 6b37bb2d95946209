"""A table's texts, answered or labelled by a chat model. Knows no table and no engine."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from edgekit.errors import EdgekitError
from edgekit.tasks.classification import batch as labelled
from edgekit.tasks.contract import Batch, Kind, known_options

COLUMNS: Mapping[str, Kind] = {"reply": "text", "ended": "text", "tokens": "integer"}
LABELLING: Mapping[str, type] = {"labels": list, "instruction": str, "abstain_below": Real}
ANSWERING: Mapping[str, type] = {
    "system": str,
    "max_tokens": int,
    "temperature": Real,
    "top_p": Real,
    "seed": int,
}


def bind(options: Mapping[str, Any]) -> Batch:
    """With `labels` each text gets one of them; else each is a conversation of its own."""
    if "labels" in options:
        return _labelling(options)
    if ours := sorted(LABELLING.keys() & options.keys()):
        raise EdgekitError(f"The option '{ours[0]}' belongs to labels; give 'labels' with it.")
    known_options(options, ANSWERING, "a chat artifact")
    system = options.get("system")
    before = [] if system is None else [{"role": "system", "content": system}]
    # The same text has the same answer on every machine, unless another seed is asked for.
    asked = {"seed": 0, **{name: value for name, value in options.items() if name != "system"}}

    def reply(model: Any, text: str) -> Mapping[str, Any]:
        found = model.chat([*before, {"role": "user", "content": text}], **asked)
        return {"reply": found.text, "ended": found.ended, "tokens": found.tokens}

    return Batch(columns=COLUMNS, answer=reply, side_by_side=False)


def _labelling(options: Mapping[str, Any]) -> Batch:
    known_options(options, LABELLING, "a chat artifact that labels")

    def label(model: Any, text: str) -> Mapping[str, Any]:
        return labelled.as_columns(model.classify(text, **options))

    return Batch(columns=labelled.COLUMNS, answer=label, side_by_side=False)

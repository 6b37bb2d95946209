"""How the authors of an encoder make one vector of a text, as sentence-transformers saves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.errors import CheckpointError

MODULES = "modules.json"
_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
# What edgekit does, or what leaves directions as they are.
_ALIKE = frozenset({"Transformer", "Pooling", "Normalize"})


def refuse_other_than_mean(folder: Path) -> None:
    """Raises CheckpointError for an encoder whose vectors are not the means of its last states.

    A folder that sentence-transformers did not save says nothing, and is read by the mean.
    """
    modules = _read(folder / MODULES)
    if modules is None:
        return
    for module in modules:
        name = str(module.get("type", "")).rpartition(".")[2]
        if name not in _ALIKE:
            raise CheckpointError(
                f"{folder / MODULES}: the authors of this encoder put {name!r} behind it, and "
                "edgekit takes the mean of its last hidden states; use an encoder that ends in "
                "mean pooling."
            )
        if name == "Pooling":
            _refuse_mode(folder / str(module.get("path", "")) / "config.json")
    settings = _read(folder / "sentence_bert_config.json") or {}
    if settings.get("do_lower_case"):
        raise CheckpointError(
            f"{folder / 'sentence_bert_config.json'}: 'do_lower_case' has sentence-transformers "
            "write texts in lower case, which the tokenizer does not; save the tokenizer with "
            "do_lower_case instead, or use another encoder."
        )


def _refuse_mode(path: Path) -> None:
    told = _read(path)
    if told is None:
        raise CheckpointError(
            f"{path} is missing, and {MODULES} names it; copy the whole folder again."
        )
    found = {mode for key, mode in _MODES.items() if told.get(key)}
    if "pooling_mode" in told:
        named = told["pooling_mode"]
        found |= {named} if isinstance(named, str) else set(named)
    if found != {"mean"}:
        raise CheckpointError(
            f"{path}: the authors of this encoder take {' and '.join(sorted(found)) or 'nothing'} "
            "of its last hidden states as a text's vector, and edgekit takes their mean, which "
            "would be another vector; use an encoder with mean pooling."
        )


def _read(path: Path) -> Any:
    """A JSON file's value; None where there is no file."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: this is not JSON ({error}); copy it again.") from error

"""What transformers 4 wrote into config.json and a later one would silently compute otherwise.

transformers takes every key of this file and passes over those that it does not know. The keys
that it renamed (`rope_theta`, `torch_dtype`, `global_attn_every_n_layers`) it reads itself; what it
cannot compute any more is refused here. Knows no weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from edgekit.errors import CheckpointError


def config(told: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The config.json, whichever version wrote it; `path` is its place, for errors.

    Raises CheckpointError for what only transformers 4 computes.
    """
    positions = told.get("position_embedding_type")
    if positions not in (None, "absolute"):
        raise _gone(path, "position_embedding_type", positions)
    if told.get("tie_encoder_decoder"):
        raise _gone(path, "tie_encoder_decoder", True)
    if told.get("model_type") == "mt5" and told.get("tie_word_embeddings") and not is_of_5(told):
        # There, a head that is its embeddings scaled what it read; here it never does.
        raise _gone(path, "tie_word_embeddings", True)
    return dict(told)


def is_of_5(told: Mapping[str, Any]) -> bool:
    """Whether a config.json was written by transformers 5 or later."""
    return _version(told.get("transformers_version")).major >= 5


def is_newer(told: Mapping[str, Any], installed: str) -> bool:
    """Whether a later version than the installed one wrote a config.json."""
    return _version(told.get("transformers_version")) > _version(installed)


def _version(said: object) -> Version:
    """That of transformers 4 where a file names none."""
    try:
        return Version(str(said or "4"))
    except InvalidVersion:
        return Version("4")


def _gone(path: Path, key: str, value: object) -> CheckpointError:
    return CheckpointError(
        f"{path}: {key!r} is {value!r}, which transformers 4 computed and the installed one does "
        "not; take a checkpoint without it."
    )

"""Turns what transformers 5 writes into config.json and tokenizer_config.json into what 4 reads.

transformers takes every key of these files and ignores the unknown ones, so that the answers would
silently be others. What cannot be said in the older form is refused. Knows no weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import CheckpointError

_BY_KIND = {"gemma3_text": "rope_local_base_freq", "modernbert": "local_rope_theta"}
"""The model types whose layers rotate by their kind, with the older key for those with a window."""
_FULL, _WINDOWED = "full_attention", "sliding_attention"
_PARTS_OF_LONGROPE = ("type", "short_factor", "long_factor")


def config(told: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """config.json in the form of transformers 4; `path` is its place, for errors.

    Raises CheckpointError where that form has no words for it.
    """
    found = dict(told)
    kind = found.get("model_type")
    if "rope_parameters" in found:
        _ropes(found, path)
    if kind == "modernbert" and "layer_types" in found:
        found["global_attn_every_n_layers"] = _period(found.pop("layer_types"), path)
    if kind == "t5" and "scale_decoder_outputs" in found:
        # transformers 4 scales where the embeddings are tied, and has one key for both.
        found["tie_word_embeddings"] = found.pop("scale_decoder_outputs")
    if kind == "mt5" and is_of_5(told):
        # transformers 5 ties without scaling, and a head of its own is in the weights all the same.
        found["tie_word_embeddings"] = False
    return found


def tokenizer_config(told: Mapping[str, Any]) -> dict[str, Any]:
    """tokenizer_config.json in the form of transformers 4.

    In a folder of transformers 5, tokenizer.json alone says how texts are read.
    """
    found = dict(told)
    if found.pop("backend", None) == "tokenizers" or found.get("tokenizer_class") == _OF_5:
        found["tokenizer_class"] = "PreTrainedTokenizerFast"
    extra = found.get("extra_special_tokens")
    if isinstance(extra, list):
        del found["extra_special_tokens"]
        found.setdefault("additional_special_tokens", extra)
    return found


_OF_5 = "TokenizersBackend"


def is_of_5(told: Mapping[str, Any]) -> bool:
    """Whether a config.json was written by transformers 5 or later."""
    major = str(told.get("transformers_version") or "4").partition(".")[0]
    return major.isdigit() and int(major) >= 5


def _ropes(found: dict[str, Any], path: Path) -> None:
    """`rope_parameters` as `rope_theta`, `rope_scaling` and their companions."""
    told = found.pop("rope_parameters") or {}
    if _FULL in told or _WINDOWED in told:
        local = _BY_KIND.get(str(found.get("model_type")))
        windowed = dict(told.get(_WINDOWED) or {})
        theta = windowed.pop("rope_theta", None)
        windowed.pop("rope_type", None)
        if local is None or windowed or set(told) - {_FULL, _WINDOWED}:
            raise _unsaid(path, "rope_parameters", told)
        if theta is not None:
            found[local] = theta
        told = told.get(_FULL) or {}
    _rope(found, dict(told), path)


def _rope(found: dict[str, Any], told: dict[str, Any], path: Path) -> None:
    theta, partial = told.pop("rope_theta", None), told.pop("partial_rotary_factor", None)
    named = "global_rope_theta" if found["model_type"] == "modernbert" else "rope_theta"
    if theta is not None:
        found[named] = theta
    if partial is not None:
        found["partial_rotary_factor"] = partial
    kind = told.pop("rope_type", None) or told.pop("type", None) or "default"
    told.pop("type", None)
    if kind == "default":
        if told:
            raise _unsaid(path, "rope_parameters", told)
        return
    if found["model_type"] == "modernbert":
        raise _unsaid(path, "rope_parameters", {"rope_type": kind, **told})
    scaling = {"rope_type": kind, **told}
    if found["model_type"] == "phi3":
        scaling = {"type": kind, **told}
        trained = scaling.pop("original_max_position_embeddings", None)
        if trained is not None:
            found["original_max_position_embeddings"] = trained
        # transformers 4 computes it from the two lengths.
        scaling.pop("factor", None)
        if set(scaling) != set(_PARTS_OF_LONGROPE):
            raise _unsaid(path, "rope_parameters", scaling)
    found["rope_scaling"] = scaling


def _period(kinds: list[str], path: Path) -> int:
    """Every how many layers attention is full; CheckpointError if that is irregular."""
    full = [number for number, kind in enumerate(kinds) if kind == _FULL]
    period = full[1] if len(full) > 1 else len(kinds)
    wanted = [_WINDOWED if number % period else _FULL for number in range(len(kinds))]
    if kinds != wanted:
        raise _unsaid(path, "layer_types", kinds)
    return max(1, period)


def _unsaid(path: Path, key: str, value: object) -> CheckpointError:
    return CheckpointError(
        f"{path}: {key!r} is {value!r:.200}, as transformers 5 writes it, and the installed "
        "transformers 4 cannot compute that; save the checkpoint with transformers 4, or take one "
        "that was."
    )

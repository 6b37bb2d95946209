"""What other programs read beside an ONNX file: model, labels, tokenizer in transformers' form.

edgekit itself reads none of these files: all that it needs is in the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.checkpoint.describe import STATIC, TOKENIZER_CONFIG

CONFIG, GENERATION = "config.json", "generation_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
# What wrote the checkpoint and how its weights were stored says nothing of the artifact.
_LEFT_OUT = frozenset({"transformers_version", "torch_dtype", "dtype"})
# It is called as files of 32 bits are: in browsers transformers.js would look for another name.
_JS = {"transformers.js_config": {"dtype": "fp32"}}


def encoder_files(
    checkpoint: Path, labels: Sequence[str], *, max_tokens: int
) -> dict[str, dict[str, Any]]:
    """The contents of the files by their names; texts are cut at `max_tokens` there, not read on
    in windows as edgekit does. None for an architecture that only edgekit knows."""
    if _read(checkpoint / CONFIG)["model_type"] == STATIC:
        return {}
    return {
        CONFIG: {
            **_said(checkpoint / CONFIG),
            "id2label": {str(number): label for number, label in enumerate(labels)},
            "label2id": {label: number for number, label in enumerate(labels)},
            **_JS,
        },
        TOKENIZER_CONFIG: _tokenizer(
            checkpoint, ["input_ids", "token_type_ids", "attention_mask"], max_tokens
        ),
    }


def seq2seq_files(checkpoint: Path, *, max_tokens: int) -> dict[str, dict[str, Any]]:
    """The contents of the files by their names: with them transformers opens config, tokenizer and
    search settings of the folder."""
    found = {
        CONFIG: _said(checkpoint / CONFIG),
        TOKENIZER_CONFIG: _tokenizer(checkpoint, ["input_ids", "attention_mask"], max_tokens),
    }
    generation = _said(checkpoint / GENERATION)
    return {**found, GENERATION: generation} if generation else found


def _tokenizer(checkpoint: Path, inputs: list[str], max_tokens: int) -> dict[str, Any]:
    return {
        # tokenizer.json says everything; a class of its own would overrule parts of it.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": inputs,
        "model_max_length": max_tokens,
        "clean_up_tokenization_spaces": False,
        **_special_tokens(checkpoint),
    }


def _said(path: Path) -> dict[str, Any]:
    return {name: value for name, value in _read(path).items() if _is_said(name)}


def _is_said(name: str) -> bool:
    return not name.startswith("_") and name not in _LEFT_OUT


def _special_tokens(checkpoint: Path) -> dict[str, str]:
    known = {**_read(checkpoint / SPECIAL_TOKENS), **_read(checkpoint / TOKENIZER_CONFIG)}
    named = {f"{role}_token": known.get(f"{role}_token") for role in _ROLES}
    return {role: _text(token) for role, token in named.items() if token}


def _text(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

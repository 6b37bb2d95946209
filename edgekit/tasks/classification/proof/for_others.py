"""What other programs read beside the ONNX file: labels and tokenizer in transformers' form.

edgekit itself reads neither of the two files: all that it needs is in the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.checkpoint.describe import STATIC, TOKENIZER_CONFIG

CONFIG, SPECIAL_TOKENS = "config.json", "special_tokens_map.json"
_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
# What wrote the checkpoint and how its weights were stored says nothing of the artifact.
_LEFT_OUT = frozenset({"transformers_version", "torch_dtype", "dtype"})


def files(checkpoint: Path, labels: Sequence[str], *, max_tokens: int) -> dict[str, dict[str, Any]]:
    """The contents of both files by their names; texts are cut at `max_tokens` there, not read on
    in windows as edgekit does. None for an architecture that only edgekit knows."""
    if _read(checkpoint / CONFIG)["model_type"] == STATIC:
        return {}
    config = {name: value for name, value in _read(checkpoint / CONFIG).items() if _is_said(name)}
    return {
        CONFIG: {
            **config,
            "id2label": {str(number): label for number, label in enumerate(labels)},
            "label2id": {label: number for number, label in enumerate(labels)},
        },
        TOKENIZER_CONFIG: {
            # tokenizer.json says everything; a class of its own would overrule parts of it.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
            "model_max_length": max_tokens,
            "clean_up_tokenization_spaces": False,
            **_special_tokens(checkpoint),
        },
    }


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

"""A checkpoint's generation settings: which tokens end an answer, and how to draw tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf

from edgekit.checkpoint.tokenizer import Vocabulary
from edgekit.errors import CheckpointError

SETTINGS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


def read(checkpoint: Path) -> dict[str, Any]:
    """generation_config.json; empty where there is none."""
    path = checkpoint / "generation_config.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def stops(
    config: Mapping[str, Any],
    generation: Mapping[str, Any],
    vocabulary: Vocabulary,
    *,
    end: int | None,
) -> tuple[int, ...]:
    """Every token that ends an answer, `end` first: the one with which the chat template ends them.

    Raises CheckpointError for a token that is not in the vocabulary.
    """
    found = [] if end is None else [end]
    found.append(vocabulary.specials["eos"])
    for told in (generation.get("eos_token_id"), config.get("eos_token_id")):
        found += told if isinstance(told, list) else [told] if told is not None else []
    strange = [number for number in found if not 0 <= number < len(vocabulary.tokens)]
    if strange:
        raise CheckpointError(
            f"config.json or generation_config.json: 'eos_token_id' is {strange[0]}, and the "
            f"tokens are numbered from 0 to {len(vocabulary.tokens) - 1}; write the number that "
            "the tokenizer gives to the token that ends an answer."
        )
    return tuple(dict.fromkeys(found))


def add_to(writer: gguf.GGUFWriter, generation: Mapping[str, Any], ends: tuple[int, ...]) -> None:
    """`ends` come from `stops`: llama.cpp has room for three, and knows common names."""
    writer.add_eot_token_id(ends[0])
    for number in ends[2:3]:
        writer.add_eom_token_id(number)
    for name, add in (
        ("temperature", writer.add_sampling_temp),
        ("top_k", writer.add_sampling_top_k),
        ("top_p", writer.add_sampling_top_p),
        ("min_p", writer.add_sampling_min_p),
        ("repetition_penalty", writer.add_sampling_penalty_repeat),
    ):
        if generation.get(name) is not None:
            add(generation[name])

"""What of a checkpoint's settings no build can use, each as one sentence. Opens no weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import CheckpointError

LEAST_TOKENS = 8
"""A window below this holds no text beside its special tokens."""


def check_whole_weights(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises CheckpointError where config.json says that the weights are quantized."""
    quantized = config.get("quantization_config")
    if not quantized:
        return
    method = quantized.get("quant_method") if isinstance(quantized, Mapping) else None
    raise CheckpointError(
        f"{folder / 'config.json'}: 'quantization_config' says that the weights are quantized "
        f"already ({method or 'it names no method'}), and they would be quantized twice; give the "
        "checkpoint that it was made from, or save one with transformers: "
        "model.dequantize().save_pretrained(folder)."
    )


def check_padding(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises CheckpointError where the padding token is none of the embedding table's."""
    padding, rows = config.get("pad_token_id"), config.get("vocab_size")
    if isinstance(padding, int) and isinstance(rows, int) and not 0 <= padding < rows:
        raise CheckpointError(
            f"{folder / 'config.json'}: 'pad_token_id' is {padding}, and the table has the rows 0 "
            f"to {rows - 1}; set it to the id of the tokenizer's padding token."
        )


def window(folder: Path, positions: int, settings: Mapping[str, Any]) -> int:
    """The tokens that a model reads at once: its positions, or fewer if its tokenizer says so.

    `settings` are tokenizer_config.json's. As transformers has it, a `model_max_length` that is
    missing or null is no limit, and neither is its huge number for "none". CheckpointError.
    """
    limit = settings.get("model_max_length")
    if limit is None:
        limit = positions
    number = isinstance(limit, int | float) and not isinstance(limit, bool)
    if not number or math.isnan(limit) or limit < LEAST_TOKENS:
        raise CheckpointError(
            f"{folder / 'tokenizer_config.json'}: 'model_max_length' is {limit!r}, and it must be "
            f"a number of tokens, {LEAST_TOKENS} or more; mend it, or remove it."
        )
    if positions < LEAST_TOKENS:
        raise CheckpointError(
            f"{folder / 'config.json'}: the model has {positions} positions, which hold no text; "
            "mend 'max_position_embeddings'."
        )
    return int(min(positions, limit))

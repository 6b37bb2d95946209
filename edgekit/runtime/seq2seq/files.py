"""The two files of an encoder-decoder model, and the names of their tensors. Opens nothing."""

from __future__ import annotations

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"


def cache_names(prefix: str, layers: int) -> list[str]:
    """`prefix` is empty for the source, 'past_' or 'present_' for the tokens written so far."""
    return [f"{prefix}{kind}_{layer}" for layer in range(layers) for kind in ("key", "value")]

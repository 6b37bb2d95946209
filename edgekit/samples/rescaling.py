"""Moves a decoder's weights off the grid of an earlier quantization; its answers stay equal.

Weights that come from a 4-bit file lie on that file's grid, and comparing quantizations on them
says nothing: the same type reproduces them without any error. A factor that is multiplied into one
tensor and divided out of the next changes no answer and breaks the grid. The places where that
works are those of Nagel et al. 2019 (arXiv 1906.04721, section 4.1) and Xiao et al. 2022
(SmoothQuant, arXiv 2211.10438, section 4). numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SPREAD = 0.25
"""Factors lie between 2 to the power of minus this and 2 to the power of this."""
_FOLLOWS_INPUT_NORM = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_FOLLOWS_FFN_NORM = ("mlp.gate_proj", "mlp.up_proj")


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a decoder that decide which rows and columns belong together."""

    layers: int
    heads: int
    kv_heads: int
    ffn_norm: str = "post_attention_layernorm"
    """The norm that the FFN reads."""
    norms_lack_one: bool = False
    """1 is added to the weights of every norm before they multiply."""


def rescale(weights: Mapping[str, np.ndarray], shape: Shape, *, seed: int) -> dict[str, np.ndarray]:
    """The weights by their Hugging Face names, as float32; embeddings and output stay as they are.

    The embedding is tied to the output in most small models, where nothing can be divided out.
    """
    found = {name: np.array(values, dtype=np.float32) for name, values in weights.items()}
    generator = np.random.default_rng(seed)
    for layer in range(shape.layers):
        _rescale_layer(found, f"model.layers.{layer}.", shape, generator)
    return found


def _rescale_layer(
    weights: dict[str, np.ndarray], prefix: str, shape: Shape, generator: np.random.Generator
) -> None:
    def factors(name: str) -> np.ndarray:
        count = len(weights[prefix + name])
        return np.exp2(generator.uniform(-SPREAD, SPREAD, count)).astype(np.float32)

    for norm, following in (
        ("input_layernorm.weight", _FOLLOWS_INPUT_NORM),
        (f"{shape.ffn_norm}.weight", _FOLLOWS_FFN_NORM),
    ):
        gains = factors(norm)
        lacking = np.float32(shape.norms_lack_one)
        weights[prefix + norm] = (weights[prefix + norm] + lacking) * gains - lacking
        for name in following:
            weights[f"{prefix}{name}.weight"] /= gains
    wide = factors("mlp.up_proj.weight")
    weights[prefix + "mlp.up_proj.weight"] *= wide[:, None]
    weights[prefix + "mlp.down_proj.weight"] /= wide
    values = factors("self_attn.v_proj.weight")
    weights[prefix + "self_attn.v_proj.weight"] *= values[:, None]
    # Several query heads share one value head.
    by_head = values.reshape(shape.kv_heads, 1, -1)
    shared = np.repeat(by_head, shape.heads // shape.kv_heads, axis=1)
    weights[prefix + "self_attn.o_proj.weight"] /= shared.reshape(-1)

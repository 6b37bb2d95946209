"""The decoders: where their layers' weights are, and where llama.cpp and transformers disagree. A
table, no code.

Taken from llama.cpp's `src/models/*.cpp` and transformers' `modeling_*.py`, and proven for each by
the parity check of every export.
"""

from __future__ import annotations

from dataclasses import dataclass

LAYERS = "model.layers."
"""The prefix of the names of all layers' weights; a number follows."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What turns one model type's checkpoint into llama.cpp's form, and where its neurons are."""

    gguf: str
    """llama.cpp's name for it."""
    names: tuple[str, ...]
    """Values of `general.name` to be tried: if it is phi-3, llama.cpp drops spaces after special
    tokens."""
    activation: str = "silu"
    interleaved: bool = False
    """Query and key rows are rotated in neighbouring pairs, where transformers rotates halves."""
    norms_lack_one: bool = False
    """transformers adds 1 to the weights of every norm; llama.cpp expects the 1 in the file."""
    may_be_untied: bool = True
    window_every: int | None = None
    """If config.json lists no layers, all but every `window_every`-th layer have a sliding window,
    which llama.cpp supports; None if it runs the architecture without."""
    window_unless: str | None = None
    """A key of config.json that turns the sliding window off if it is false."""
    query_scalar: bool = False
    """Queries are scaled by `query_pre_attn_scalar`, not by their width."""
    large_layers: int = 0
    """The number of layers at which llama.cpp scales queries by hidden size over heads instead."""
    ropes: frozenset[str] = frozenset({"default", "linear", "dynamic", "yarn", "llama3"})
    """Kinds of RoPE scaling that it supports."""
    head_width: int | None = None
    """`head_dim` if config.json does not say it; None means hidden size over heads."""
    square_heads: bool = False
    """llama.cpp assumes that the heads' widths add up to the hidden size."""
    surplus: frozenset[str] = frozenset()
    """Tokens of its published tokenizers that have no embedding row: those of other modalities."""
    ffn_in: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    """Input matrices of a layer's gated feed-forward network: a neuron is a row of each of them,
    and a column of `ffn_out`."""
    ffn_out: str = "mlp.down_proj"
    fused: bool = False
    """`ffn_in` is a single matrix of two halves."""


DECODERS = {
    "gemma2": Architecture(
        "gemma2",
        ("gemma-2",),
        activation="gelu_pytorch_tanh",
        norms_lack_one=True,
        may_be_untied=False,
        window_every=2,
        query_scalar=True,
        large_layers=46,
        ropes=frozenset({"default"}),
        head_width=256,
    ),
    "gemma3_text": Architecture(
        "gemma3",
        ("gemma-3",),
        activation="gelu_pytorch_tanh",
        norms_lack_one=True,
        window_every=6,
        query_scalar=True,
        large_layers=62,
        ropes=frozenset({"default", "linear"}),
        head_width=256,
        surplus=frozenset({"<image_soft_token>"}),
    ),
    "llama": Architecture("llama", ("llama",), interleaved=True),
    "mistral": Architecture("llama", ("mistral",), interleaved=True),
    "phi3": Architecture(
        "phi3",
        ("phi-3", "phi"),
        ropes=frozenset({"default", "longrope", "su"}),
        square_heads=True,
        ffn_in=("mlp.gate_up_proj",),
        fused=True,
    ),
    "qwen2": Architecture(
        "qwen2", ("qwen2",), square_heads=True, window_unless="use_sliding_window"
    ),
    "qwen3": Architecture("qwen3", ("qwen3",), window_unless="use_sliding_window"),
}

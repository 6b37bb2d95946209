"""The decoders: where their layers' weights are, and where llama.cpp and transformers differ about
them. A table, no code.

Read from llama.cpp's `src/models/*.cpp` and transformers' `modeling_*.py`, and proven for each by
the parity that every export is held to.
"""

from __future__ import annotations

from dataclasses import dataclass

LAYERS = "model.layers."
"""What the names of all weights of layers begin with; a number follows."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What turns one family's checkpoint into llama.cpp's form of it, and where its neurons are."""

    gguf: str
    """llama.cpp's name of it."""
    names: tuple[str, ...]
    """What `general.name` may be, to be tried: where it says phi-3, llama.cpp drops spaces behind
    special tokens."""
    activation: str = "silu"
    interleaved: bool = False
    """Query and key rows are rotated in neighbouring pairs, where transformers rotates halves."""
    norms_lack_one: bool = False
    """transformers adds 1 to the weights of every norm; llama.cpp wants them added."""
    may_be_untied: bool = True
    window_every: int | None = None
    """llama.cpp knows its sliding windows, which all but every so-manieth layer have where
    config.json names no layers; None where it runs the architecture without."""
    window_unless: str | None = None
    """A key of config.json that switches the sliding window off where it is false."""
    query_scalar: bool = False
    """Queries are scaled by `query_pre_attn_scalar` and not by their width."""
    large_layers: int = 0
    """The number of layers at which llama.cpp scales queries by hidden size over heads instead."""
    ropes: frozenset[str] = frozenset({"default", "linear", "dynamic", "yarn", "llama3"})
    """Kinds of rope scaling that it runs."""
    head_width: int | None = None
    """What `head_dim` is where config.json does not say it; hidden size over heads where None."""
    square_heads: bool = False
    """llama.cpp takes the heads' widths to add up to the hidden size."""
    surplus: frozenset[str] = frozenset()
    """Tokens that its published tokenizers have beyond the embedding: of other modalities."""
    ffn_in: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    """Matrices of a layer's gated feed-forward network: a neuron is a row of each of them, and a
    column of `ffn_out`."""
    ffn_out: str = "mlp.down_proj"
    fused: bool = False
    """`ffn_in` is one matrix of two halves."""


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

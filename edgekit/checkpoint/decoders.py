"""The decoders: where their layers' weights are, and where llama.cpp and transformers disagree. A
table, no code.

Taken from llama.cpp's `src/models/*.cpp` and transformers' `modeling_*.py`, and proven for each by
the parity check of every export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LAYERS = "model.layers."
"""The prefix of the names of all layers' weights; a number follows."""
RMS = {"rms_norm_eps": "attention.layer_norm_rms_epsilon"}


@dataclass(frozen=True, slots=True)
class Architecture:
    """What turns one model type's checkpoint into llama.cpp's form, and where its neurons are."""

    title: str
    """The models that have it, by the names that people know."""
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
    """Whether llama.cpp runs it with a matrix of its own for the output."""
    may_be_tied: bool = True
    """Whether llama.cpp runs it without; if not, the embeddings are written twice."""
    numbers: Mapping[str, str] = field(default_factory=lambda: RMS)
    """Keys of config.json whose numbers llama.cpp reads, and its names for them."""
    unsaid: Mapping[str, Any] = field(default_factory=dict)
    """What keys of config.json mean to transformers where they are not given."""
    only: Mapping[str, Any] = field(default_factory=dict)
    """Keys of config.json of which llama.cpp runs this value alone."""
    scalars: Mapping[str, str] = field(default_factory=dict)
    """Numbers among a layer's weights that llama.cpp reads from the header, by their names."""
    window_every: int | None = None
    """If config.json lists no layers, all but every `window_every`-th layer have a sliding window,
    which llama.cpp supports; None if it runs the architecture without."""
    windowed_at: int | None = None
    """llama.cpp gives it sliding windows at this number of layers alone, and then without fail."""
    unrotated_every: int | None = None
    """llama.cpp rotates nothing in every `unrotated_every`-th layer, whatever config.json says."""
    window_unless: str | None = None
    """A key of config.json that turns the sliding window off if it is false."""
    query_scalar: bool = False
    """Queries are scaled by `query_pre_attn_scalar`, not by their width."""
    large_layers: int = 0
    """The number of layers at which llama.cpp scales queries by hidden size over heads instead."""
    ropes: frozenset[str] = frozenset({"default", "linear", "dynamic", "yarn", "llama3"})
    """Kinds of RoPE scaling that it supports."""
    ntk_alpha: bool = False
    """`alpha` stretches the base of a RoPE that is called dynamic."""
    temperature: bool = False
    """Queries grow with their position, by `llama_4_scaling_beta`."""
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
    logit_factor: str | None = None
    """A key of config.json that all logits are multiplied by."""
    logit_divisor: str | None = None
    """A key of config.json that all logits are divided by."""

    @property
    def ffn_matrices(self) -> int:
        """Matrices of a layer's feed-forward network that a neuron has a row or column of."""
        return len(self.ffn_in) * (2 if self.fused else 1) + 1


UNSAID = {"rms_norm_eps": 1e-6}
"""What keys of config.json mean where neither it nor `unsaid` gives them."""
_NO_BIAS = {"attention_bias": False}
_NO_FREQUENCIES = frozenset({"default", "linear", "dynamic", "yarn"})
"""Where llama.cpp has no place for factors of each frequency, as Llama 3 has them."""

DECODERS = {
    "apertus": Architecture(
        "Apertus",
        "apertus",
        ("apertus",),
        activation="xielu",
        may_be_tied=False,
        unsaid={"rms_norm_eps": 1e-5, "rope_theta": 12e6},
        scalars={
            f"mlp.act_fn.{name}": f"xielu.{name}" for name in ("alpha_n", "alpha_p", "beta", "eps")
        },
        ffn_in=("mlp.up_proj",),
    ),
    "cohere2": Architecture(
        "Cohere 2: Tiny Aya, Command R7B",
        "cohere2",
        ("cohere2",),
        may_be_untied=False,
        numbers={
            "layer_norm_eps": "attention.layer_norm_epsilon",
            "logit_scale": "logit_scale",
        },
        unsaid={"layer_norm_eps": 1e-5, "logit_scale": 0.0625, "tie_word_embeddings": True},
        only=_NO_BIAS,
        window_every=4,
        ropes=frozenset({"default"}),
        square_heads=True,
        logit_factor="logit_scale",
    ),
    "ernie4_5": Architecture(
        "ERNIE 4.5, dense",
        "ernie4_5",
        ("ernie4_5",),
        unsaid={"rms_norm_eps": 1e-5, "rope_theta": 5e5, "tie_word_embeddings": True},
        only={"use_bias": False},
        ropes=_NO_FREQUENCIES,
        head_width=128,
    ),
    "exaone4": Architecture(
        "EXAONE 4",
        "exaone4",
        ("exaone4",),
        unsaid={"rms_norm_eps": 1e-5},
        window_every=4,
        windowed_at=64,
        square_heads=True,
    ),
    "gemma2": Architecture(
        "Gemma 2",
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
        "Gemma 3, text",
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
    "granite": Architecture(
        "Granite, dense",
        "granite",
        ("granite",),
        interleaved=True,
        numbers={
            **RMS,
            "attention_multiplier": "attention.scale",
            "embedding_multiplier": "embedding_scale",
            "residual_multiplier": "residual_scale",
            "logits_scaling": "logit_scale",
        },
        unsaid={
            "attention_multiplier": 1.0,
            "embedding_multiplier": 1.0,
            "residual_multiplier": 1.0,
            "logits_scaling": 1.0,
        },
        logit_divisor="logits_scaling",
    ),
    "hunyuan_v1_dense": Architecture(
        "Hunyuan, dense",
        "hunyuan-dense",
        ("hunyuan",),
        unsaid={"rms_norm_eps": 1e-5},
        only=_NO_BIAS,
        ropes=_NO_FREQUENCIES,
        ntk_alpha=True,
    ),
    "llama": Architecture("Llama, SmolLM, SmolLM2", "llama", ("llama",), interleaved=True),
    "ministral3": Architecture(
        "Ministral 3, text",
        "mistral3",
        ("ministral",),
        interleaved=True,
        unsaid={"rms_norm_eps": 1e-5, "rope_theta": 1e6},
        ropes=frozenset({"yarn"}),
        temperature=True,
        head_width=128,
    ),
    "mistral": Architecture("Mistral", "llama", ("mistral",), interleaved=True),
    "olmo2": Architecture(
        "OLMo 2",
        "olmo2",
        ("olmo2",),
        may_be_tied=False,
        unsaid={"rms_norm_eps": 1e-5},
        only=_NO_BIAS,
        ropes=_NO_FREQUENCIES,
        square_heads=True,
    ),
    "phi3": Architecture(
        "Phi-3",
        "phi3",
        ("phi-3", "phi"),
        unsaid={"rms_norm_eps": 1e-5},
        ropes=frozenset({"default", "longrope", "su"}),
        square_heads=True,
        ffn_in=("mlp.gate_up_proj",),
        fused=True,
    ),
    "qwen2": Architecture(
        "Qwen2, Qwen2.5", "qwen2", ("qwen2",), square_heads=True, window_unless="use_sliding_window"
    ),
    "qwen3": Architecture("Qwen3", "qwen3", ("qwen3",), window_unless="use_sliding_window"),
    "smollm3": Architecture(
        "SmolLM3",
        "smollm3",
        ("smollm3",),
        interleaved=True,
        unsaid={"rope_theta": 2e6, "tie_word_embeddings": True},
        only={**_NO_BIAS, "mlp_bias": False},
        unrotated_every=4,
        window_unless="use_sliding_window",
        ropes=_NO_FREQUENCIES,
    ),
}

CONVERTED = {
    "gemma3n_text": "Gemma 3n, text",
    "gemma4_text": "Gemma 4, text",
    "lfm2": "LFM2",
    "qwen3_5_text": "Qwen3.5, text",
}
"""Types that llama.cpp's converter was seen to write rightly, by what people call them."""

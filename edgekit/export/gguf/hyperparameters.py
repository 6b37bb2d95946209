"""From config.json to what llama.cpp reads about a model's shape. Knows no weights and no tokens.

Whatever llama.cpp would not compute as transformers does is refused or, where only long texts would
differ, cut from the context length and noted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gguf
import numpy as np

from edgekit.checkpoint.decoders import Architecture
from edgekit.errors import CheckpointError

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a decoder."""

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    context: int
    """Tokens within which llama.cpp answers as transformers does."""
    notes: tuple[str, ...] = ()
    """Why the context is shorter than config.json says."""


@dataclass(frozen=True, slots=True)
class Rope:
    """How positions are rotated."""

    base: float
    kind: str = "none"
    """llama.cpp's name for the scaling."""
    factor: float | None = None
    trained_context: int | None = None
    attention_factor: float | None = None
    temperature: float | None = None
    """By how much queries grow where their position passes a multiple of `trained_context`."""
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Factors for each frequency, by llama.cpp's names of the tensors."""
    notes: tuple[str, ...] = ()


def read_shape(config: Config, architecture: Architecture) -> Shape:
    """Raises CheckpointError for what llama.cpp would compute differently."""
    activation = config.get("hidden_activation") or config.get(
        "hidden_act", architecture.activation
    )
    if activation != architecture.activation:
        raise _unknown("hidden_act", activation, f"it runs {architecture.activation!r}")
    for key, value in architecture.only.items():
        if (config.get(key) if config.get(key) is not None else value) != value:
            raise _unknown(key, config[key], f"it runs {value!r}")
    hidden, heads = _number(config, "hidden_size"), _number(config, "num_attention_heads")
    width = config.get("head_dim") or architecture.head_width or hidden // heads
    if architecture.square_heads and heads * width != hidden:
        raise _unknown("head_dim", width, f"{heads} heads must make up {hidden} dimensions")
    layers = _number(config, "num_hidden_layers")
    _check_layers(config, layers, architecture)
    context, notes = _context(config, architecture)
    return Shape(
        layers=layers,
        hidden=hidden,
        ffn=_number(config, "intermediate_size"),
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_width=int(width),
        vocabulary=_number(config, "vocab_size"),
        context=context,
        notes=notes,
    )


def read_rope(config: Config, shape: Shape, architecture: Architecture) -> Rope:
    """Raises CheckpointError for a scaling that llama.cpp does not know for this architecture."""
    settings = _rope_settings(config)
    kind = settings.get("rope_type") or settings.get("type") or "default"
    if kind not in architecture.ropes:
        known = ", ".join(sorted(architecture.ropes))
        raise _unknown("rope_scaling", kind, f"for this architecture it runs {known}")
    base = float(settings.get("rope_theta") or config.get("rope_theta") or 10000.0)
    partial = settings.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1.0
    if partial != 1.0:
        raise _unknown("partial_rotary_factor", partial, "here whole heads must be rotated")
    if architecture.ntk_alpha and kind == "dynamic" and settings.get("alpha"):
        width = shape.head_width
        return Rope(base * float(settings["alpha"]) ** (width / (width - 2)))
    if kind == "linear":
        return Rope(base, "linear", factor=float(settings["factor"]))
    if kind == "yarn":
        grows = settings.get("llama_4_scaling_beta") if architecture.temperature else None
        return replace(_yarn(base, settings, config), temperature=grows)
    if kind == "llama3":
        factors = _llama3_factors(base, settings, shape.head_width)
        return Rope(base, tensors={"rope_freqs.weight": factors})
    if kind in ("longrope", "su"):
        return _longrope(base, settings, config, shape)
    return Rope(base)  # dynamic too: it only scales beyond the exported context


def add_to(
    writer: gguf.GGUFWriter, config: Config, shape: Shape, rope: Rope, architecture: Architecture
) -> None:
    """Writes what llama.cpp must know about the model's shape."""
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_vocab_size(shape.vocabulary)
    for key, name in architecture.numbers.items():
        writer.add_float32(f"{architecture.gguf}.{name}", float(config[key]))
    _add_rope(writer, rope, shape)
    if architecture.window_every and architecture.windowed_at in (None, shape.layers):
        _add_windows(writer, config, shape, architecture.window_every)
    for key, add in (
        ("attn_logit_softcapping", writer.add_attn_logit_softcapping),
        ("final_logit_softcapping", writer.add_final_logit_softcapping),
    ):
        if config.get(key):
            add(float(config[key]))


def query_scale(config: Config, shape: Shape, architecture: Architecture) -> float:
    """The factor on queries that makes llama.cpp's own scaling come out right."""
    wanted = config.get("query_pre_attn_scalar")
    if not architecture.query_scalar or wanted is None:
        return 1.0
    large = shape.layers == architecture.large_layers
    own = shape.hidden // shape.heads if large else shape.head_width
    return math.sqrt(own / float(wanted))


def _check_layers(config: Config, layers: int, architecture: Architecture) -> None:
    """Raises CheckpointError where llama.cpp takes a layer for one of another kind."""
    if (every := architecture.unrotated_every) is not None:
        interval = config.get("no_rope_layer_interval") or every
        told = config.get("no_rope_layers") or [(n + 1) % interval for n in range(layers)]
        if [bool(one) for one in told[:layers]] != [(n + 1) % every > 0 for n in range(layers)]:
            why = f"it rotates positions in all layers but every {every}th"
            raise _unknown("no_rope_layers", told[:layers], why)
    only, window = architecture.windowed_at, config.get("sliding_window")
    if only is not None and (window is not None) != (layers == only):
        why = f"it gives sliding windows to a model of {only} layers, and to no other"
        raise _unknown("sliding_window", window, f"with {layers} layers, {why}")


def _context(config: Config, architecture: Architecture) -> tuple[int, tuple[str, ...]]:
    positions = _number(config, "max_position_embeddings")
    window = config.get("sliding_window")
    switch = architecture.window_unless
    if architecture.window_every or not window or (switch and not config.get(switch, False)):
        return positions, ()
    if int(window) >= positions:
        return positions, ()
    note = (
        f"context {window} instead of {positions}: llama.cpp runs this architecture without its "
        "sliding window"
    )
    return int(window), (note,)


def _rope_settings(config: Config) -> dict[str, Any]:
    """The settings for layers with full attention; transformers 5 keeps them under another name."""
    found: dict[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return dict(found.get("full_attention", found))


def _yarn(base: float, settings: Config, config: Config) -> Rope:
    """YaRN (Peng et al. 2023, arXiv 2309.00071); llama.cpp's constants are the paper's."""
    for key, value in (("beta_fast", 32), ("beta_slow", 1), ("truncate", True)):
        if (settings.get(key) if settings.get(key) is not None else value) != value:
            raise _unknown(f"rope_scaling.{key}", settings[key], f"it runs {value}")
    factor = float(settings["factor"])
    wanted, own = settings.get("attention_factor"), 1 + 0.1 * math.log(factor)
    scale, of_all = settings.get("mscale"), settings.get("mscale_all_dim")
    if wanted is None and scale and of_all:
        wanted = (1 + scale * (own - 1)) / (1 + of_all * (own - 1))
    trained = settings.get("original_max_position_embeddings")
    return Rope(
        base,
        "yarn",
        factor=factor,
        trained_context=int(trained or config["max_position_embeddings"]),
        attention_factor=None if wanted is None else float(wanted) / own,
    )


def _llama3_factors(base: float, settings: Config, width: int) -> np.ndarray:
    """The divisor of each frequency, as in transformers' `_compute_llama3_parameters`."""
    factor, trained = float(settings["factor"]), settings["original_max_position_embeddings"]
    low, high = float(settings["low_freq_factor"]), float(settings["high_freq_factor"])
    frequencies = 1.0 / base ** (np.arange(0, width, 2, dtype=np.float64) / width)
    turns = trained * frequencies / (2 * math.pi)  # over the context that it was trained on
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def _longrope(base: float, settings: Config, config: Config, shape: Shape) -> Rope:
    """LongRoPE (Ding et al. 2024, arXiv 2402.13753), as in Phi-3."""
    trained = settings.get("original_max_position_embeddings") or config.get(
        "original_max_position_embeddings"
    )
    positions = int(config["max_position_embeddings"])
    if not trained:
        raise _unknown("rope_scaling", "longrope", "original_max_position_embeddings is missing")
    grown = positions / int(trained)
    factor = settings.get("attention_factor")
    if factor is None:
        factor = math.sqrt(1 + math.log(grown) / math.log(int(trained))) if grown > 1 else 1.0
    tensors = {}
    for name in ("long", "short"):
        values = np.array(settings[f"{name}_factor"], dtype=np.float32)
        if values.shape != (shape.head_width // 2,):
            raise _unknown(f"rope_scaling.{name}_factor", len(values), "one for every two "
                           f"dimensions of a head makes {shape.head_width // 2}")  # fmt: skip
        tensors[f"rope_factors_{name}.weight"] = values
    return Rope(
        base,
        "longrope",
        trained_context=int(trained),
        attention_factor=float(factor),
        tensors=tensors,
        notes=(
            f"a context above {trained} tokens rotates all texts by the long factors, where "
            "transformers does so for long texts alone",
        ),
    )


def _add_rope(writer: gguf.GGUFWriter, rope: Rope, shape: Shape) -> None:
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(rope.base)
    if rope.kind != "none":
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope.kind))
    if rope.factor is not None:
        writer.add_rope_scaling_factor(rope.factor)
    if rope.trained_context is not None:
        writer.add_rope_scaling_orig_ctx_len(rope.trained_context)
    if rope.attention_factor is not None:
        writer.add_rope_scaling_attn_factors(rope.attention_factor)
    if rope.temperature is not None:
        writer.add_attn_temperature_scale(rope.temperature)


def _add_windows(writer: gguf.GGUFWriter, config: Config, shape: Shape, every: int) -> None:
    """Which layers use sliding-window attention, and how wide the window is."""
    writer.add_sliding_window(_number(config, "sliding_window"))
    writer.add_sliding_window_pattern(_windowed(config, shape.layers, every))
    rotated = config.get("rope_parameters") or {}
    base = rotated.get("sliding_attention", {}).get("rope_theta")
    base = base or config.get("rope_local_base_freq")
    if base:
        writer.add_rope_freq_base_swa(float(base))


def _windowed(config: Config, layers: int, every: int) -> Sequence[bool]:
    kinds = config.get("layer_types")
    if kinds:
        return [kind == "sliding_attention" for kind in kinds]
    pattern = config.get("sliding_window_pattern") or every
    every = len(pattern) if isinstance(pattern, str) else int(pattern)  # 4, or spelt 'LLLG'
    return [(layer + 1) % every != 0 for layer in range(layers)]


def _number(config: Config, name: str) -> int:
    if not isinstance(config.get(name), int):
        raise CheckpointError(f"config.json: '{name}' is missing; copy the file again.")
    return int(config[name])


def _unknown(key: str, value: object, why: str) -> CheckpointError:
    return CheckpointError(
        f"config.json: llama.cpp cannot run '{key}' {value!r}: {why}. A GGUF of this checkpoint "
        "would answer otherwise than it does."
    )

"""Where the layers of decoders and their neurons are: names of weights, no code.

Relative to one layer, as edgekit.checkpoint.decoder_types names the model types.
"""

from __future__ import annotations

from dataclasses import dataclass

LAYERS = "model.layers."
"""What the names of all weights of layers begin with; a number follows."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """A gated feed-forward network: a neuron is a row of both inputs and a column of the output."""

    ffn_in: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    ffn_out: str = "mlp.down_proj"
    fused: bool = False
    """`ffn_in` is one matrix of two halves."""


DECODERS = {
    **dict.fromkeys(("gemma2", "gemma3_text", "llama", "mistral", "qwen2", "qwen3"), Decoder()),
    "phi3": Decoder(ffn_in=("mlp.gate_up_proj",), fused=True),
}

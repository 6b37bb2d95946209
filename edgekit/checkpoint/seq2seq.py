"""Where an encoder-decoder's layers are, and what must outlive a removed one. No weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Half:
    """The encoder, or the decoder."""

    layers: str
    """The list of its layers, which a number follows in the names of their weights."""
    count: str
    """The key of config.json for the number of layers."""


@dataclass(frozen=True, slots=True)
class Layout:
    encoder: Half
    decoder: Half
    of_first: str | None = None
    """The module that the first layer of each half holds for all its layers."""

    def is_of_first(self, name: str) -> bool:
        """Whether a weight with this name belongs to that module."""
        return self.of_first is not None and self.of_first in name.split(".")


_T5 = Layout(
    Half("encoder.block", "num_layers"),
    Half("decoder.block", "num_decoder_layers"),
    "relative_attention_bias",
)
_BART = Layout(
    Half("model.encoder.layers", "encoder_layers"),
    Half("model.decoder.layers", "decoder_layers"),
)
SEQ2SEQ = {
    **dict.fromkeys(("mt5", "t5"), _T5),
    **dict.fromkeys(("bart", "m2m_100", "marian", "mbart", "pegasus"), _BART),
}

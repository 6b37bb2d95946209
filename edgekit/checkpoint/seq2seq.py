"""Where the layers of encoder-decoders are, and what is left where some go. Light; no weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Half:
    """The encoder, or the decoder."""

    layers: str
    """The list of its layers: the names of their weights go on with a number."""
    count: str
    """The key of config.json that says how many there are."""


@dataclass(frozen=True, slots=True)
class Layout:
    encoder: Half
    decoder: Half
    of_first: str | None = None
    """The module that the first layer of each half has for all of them."""

    def is_of_first(self, name: str) -> bool:
        """Whether a weight with this name is one that only a first layer has."""
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

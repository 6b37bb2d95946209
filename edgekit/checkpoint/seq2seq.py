"""Where the layers of encoder-decoders are, and what is left where some go. Light; no weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgekit.checkpoint.describe import Description
from edgekit.job.job import Planned


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
LAYOUTS = {
    **dict.fromkeys(("mt5", "t5"), _T5),
    **dict.fromkeys(("bart", "m2m_100", "marian", "mbart", "pegasus"), _BART),
}


def shortened(planned: Planned, *, encoder: int, decoder: int) -> Planned:
    """With so many layers in each half: smaller, and faster by as much."""
    before = planned.description
    description = _with_layers(before, encoder, decoder)
    share = _body(description) / max(1, _body(before))
    return replace(planned, description=description, rates=planned.rates.scaled(share))


def _with_layers(before: Description, encoder: int, decoder: int) -> Description:
    # A decoder's layer has two attentions where an encoder's has one.
    half = _body(before) // max(1, 2 * before.layers + 3 * before.decoder_layers)
    gone = half * (2 * (before.layers - encoder) + 3 * (before.decoder_layers - decoder))
    return replace(
        before, layers=encoder, decoder_layers=decoder, parameters=before.parameters - gone
    )


def _body(found: Description) -> int:
    return found.parameters - found.embedding_parameters - found.head_parameters

"""Where the parts of each model type are: names in the module tree of transformers, no code.

Names are relative: `layers` and `word_embeddings` to the body (what `base_model_prefix` names), the
rest to one layer.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """The names of one family's parts."""

    layers: str = "encoder.layer"
    """The list of layers; layers that share their weights have none."""
    word_embeddings: str = "embeddings.word_embeddings"
    """The table that token ids look up."""
    query: str | None = "attention.self.query"
    """None where query, key and value are one matrix."""
    key: str | None = "attention.self.key"
    value: str | None = "attention.self.value"
    attention: str = "attention.self"
    """The module that knows the number of heads."""
    attention_out: str = "attention.output.dense"
    ffn_in: str = "intermediate.dense"
    ffn_out: str = "output.dense"
    gated: bool = False
    """`ffn_in` holds two halves of equal width; one gates the other."""
    shared: bool = False
    """All layers are one and the same."""
    ungrouped_heads: bool = True
    """Single heads can be taken out: nothing but query, key, value and `attention_out` has them."""


_BERT = Architecture()
_DEBERTA = Architecture(
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
    ungrouped_heads=False,
)

ARCHITECTURES = {
    "albert": Architecture(
        layers="encoder.albert_layer_groups.0.albert_layers",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        attention="attention",
        attention_out="attention.dense",
        ffn_in="ffn",
        ffn_out="ffn_output",
        shared=True,
    ),
    "bert": _BERT,
    "camembert": _BERT,
    "deberta": Architecture(query=None, key=None, value=None, ungrouped_heads=False),
    "deberta-v2": _DEBERTA,
    "distilbert": Architecture(
        layers="transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention="attention",
        attention_out="attention.out_lin",
        ffn_in="ffn.lin1",
        ffn_out="ffn.lin2",
    ),
    "electra": _BERT,
    "modernbert": Architecture(
        layers="layers",
        word_embeddings="embeddings.tok_embeddings",
        query=None,
        key=None,
        value=None,
        attention="attn",
        attention_out="attn.Wo",
        ffn_in="mlp.Wi",
        ffn_out="mlp.Wo",
        gated=True,
        ungrouped_heads=False,
    ),
    "mpnet": Architecture(
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention="attention.attn",
        attention_out="attention.attn.o",
        # The encoder's relative position bias has a column for every head, for all layers at once.
        ungrouped_heads=False,
    ),
    "roberta": _BERT,
    "xlm-roberta": _BERT,
}

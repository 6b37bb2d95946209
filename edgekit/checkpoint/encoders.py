"""Where the parts of each encoder type are: names in the module tree of transformers, no code.

Names are relative: `layers` and `word_embeddings` to the body (what `base_model_prefix` names), the
rest to one layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Architecture:
    """The names of one model type's parts."""

    layers: str = "encoder.layer"
    """The list of layers; models whose layers share their weights have none."""
    word_embeddings: str = "embeddings.word_embeddings"
    """The table that token ids look up."""
    query: str | None = "attention.self.query"
    """None if query, key and value are one matrix."""
    key: str | None = "attention.self.key"
    value: str | None = "attention.self.value"
    attention: str = "attention.self"
    """The module that holds the number of heads."""
    heads: str = "num_attention_heads"
    """Its attribute for that number, or the path to it; the next is for the width of all heads
    together."""
    heads_width: str = "all_head_size"
    attention_out: str = "attention.output.dense"
    ffn_in: str = "intermediate.dense"
    ffn_out: str = "output.dense"
    after_attention: str = "attention.output.LayerNorm"
    """The module that reads the sum of the layer's input and the output of `attention_out`."""
    after_ffn: str | None = "output.LayerNorm"
    """The same for `ffn_out`; None if that sum is the layer's output."""
    ffn_config: str = "intermediate_size"
    """The key of config.json for the width of the feed-forward networks."""
    gated: bool = False
    """`ffn_in` holds two halves of equal width; one gates the other."""
    ffn_gate: str | None = None
    """A matrix of its own that gates `ffn_in`."""
    shared: bool = False
    """All layers share their weights."""
    ungrouped_heads: bool = True
    """Single heads can be removed: only query, key, value and `attention_out` depend on them."""
    types: bool = True
    """Its embeddings have a table of token types, where `type_vocab_size` is not 0."""


_BERT = Architecture()
_DEBERTA = Architecture(
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
    ungrouped_heads=False,
)

_GTE = Architecture(
    layers="layers",
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    attention="self_attn",
    heads="config.num_attention_heads",
    attention_out="self_attn.o_proj",
    ffn_in="mlp.up_proj",
    ffn_gate="mlp.gate_proj",
    ffn_out="mlp.down_proj",
    after_attention="post_attention_layernorm",
    after_ffn="post_mlp_layernorm",
    ungrouped_heads=False,
)

ENCODERS = {
    "albert": Architecture(
        layers="encoder.albert_layer_groups.0.albert_layers",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        attention="attention",
        attention_out="attention.dense",
        ffn_in="ffn",
        ffn_out="ffn_output",
        after_attention="attention.LayerNorm",
        after_ffn="full_layer_layer_norm",
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
        heads="n_heads",
        heads_width="dim",
        attention_out="attention.out_lin",
        ffn_in="ffn.lin1",
        ffn_out="ffn.lin2",
        after_attention="sa_layer_norm",
        after_ffn="output_layer_norm",
        ffn_config="hidden_dim",
        types=False,
    ),
    "electra": _BERT,
    "eurobert": replace(_GTE, word_embeddings="embed_tokens", after_ffn=None, types=False),
    "gte": _GTE,
    "modernbert": Architecture(
        layers="layers",
        word_embeddings="embeddings.tok_embeddings",
        query=None,
        key=None,
        value=None,
        attention="attn",
        heads="config.num_attention_heads",
        attention_out="attn.Wo",
        ffn_in="mlp.Wi",
        ffn_out="mlp.Wo",
        after_attention="mlp_norm",
        after_ffn=None,
        gated=True,
        ungrouped_heads=False,
        types=False,
    ),
    "mpnet": Architecture(
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention="attention.attn",
        attention_out="attention.attn.o",
        after_attention="attention.LayerNorm",
        # The encoder's relative position bias has a column for every head, for all layers at once.
        ungrouped_heads=False,
        types=False,
    ),
    "roberta": _BERT,
    "xlm-roberta": _BERT,
}


def has_types(config: Any) -> bool:
    """Whether a model tells the two texts of a pair apart by token types; `config` is
    transformers'."""
    known = ENCODERS.get(config.model_type)
    return known is not None and known.types and int(getattr(config, "type_vocab_size", 0)) > 1


# Where encoder-decoders keep the embeddings: once, or for each half.
SEQ2SEQ_TABLES = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")

"""The names in the table are those of the installed transformers."""

from __future__ import annotations

import pytest
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from edgekit.checkpoint.encoders import ENCODERS

SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
}
DISTILBERT = {"vocab_size": 100, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}


@pytest.mark.parametrize("model_type", sorted(ENCODERS))
def test_each_part_is_where_the_table_says(model_type: str) -> None:
    sizes = DISTILBERT if model_type == "distilbert" else SIZES
    config = AutoConfig.for_model(model_type, **sizes)
    model = AutoModelForSequenceClassification.from_config(config)
    parts = ENCODERS[model_type]
    body = getattr(model, model.base_model_prefix)

    assert body.get_submodule(parts.word_embeddings) is model.get_input_embeddings()
    layers = body.get_submodule(parts.layers)
    assert len(layers) == (1 if parts.shared else 2)
    layer = layers[0]
    for name in (parts.query, parts.key, parts.value, parts.attention_out):
        if name is not None:
            assert isinstance(layer.get_submodule(name), nn.Linear)
    assert layer.get_submodule(parts.attention)
    wide = layer.get_submodule(parts.ffn_in).out_features // (2 if parts.gated else 1)
    if parts.ffn_gate is not None:
        assert layer.get_submodule(parts.ffn_gate).out_features == wide
    assert wide == layer.get_submodule(parts.ffn_out).in_features == 64

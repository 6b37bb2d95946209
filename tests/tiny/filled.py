"""Tiny models of every architecture, whose weights follow from their names in any transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

ROWS = 153
IDS = (0, 5, 17, 42, 8, 99, 120, 2)
_ENCODER = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2,
            "intermediate_size": 48, "num_labels": 3, "pad_token_id": 1,
            "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 40}  # fmt: skip
_DECODER = {"hidden_size": 32, "num_hidden_layers": 7, "num_attention_heads": 2, "head_dim": 16,
            "num_key_value_heads": 1, "intermediate_size": 48, "pad_token_id": 1,
            "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 40}  # fmt: skip
_BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
         "max_position_embeddings": 40, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
         "decoder_start_token_id": 2, "forced_eos_token_id": None}  # fmt: skip
_T5 = {"d_model": 32, "d_kv": 16, "num_heads": 2, "d_ff": 48, "num_layers": 2,
       "num_decoder_layers": 2, "pad_token_id": 1, "eos_token_id": 2,
       "decoder_start_token_id": 1}  # fmt: skip
_RELATIVE = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
_WINDOW = {"sliding_window": 4, "query_pre_attn_scalar": 16}
CASES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "electra"), _ENCODER),
    "albert": {**_ENCODER, "embedding_size": 16},
    "deberta": {**_ENCODER, **_RELATIVE},
    "deberta-v2": {**_ENCODER, **_RELATIVE},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "num_labels": 3,
                   "pad_token_id": 1, "max_position_embeddings": 40},
    "modernbert": {**_ENCODER, "cls_token_id": 0, "sep_token_id": 2, "local_attention": 6,
                   "global_attn_every_n_layers": 2, "global_rope_theta": 5e4,
                   "local_rope_theta": 500.0},
    "eurobert": {**_ENCODER, "num_key_value_heads": 1, "mask_token_id": 3, "rope_parameters": {
        "rope_type": "default", "rope_theta": 5e4}},
    "gte": {**_ENCODER, "rope_parameters": {"rope_type": "default", "rope_theta": 5e4}},
    "llama": {**_DECODER, "rope_theta": 5e5},
    "llama linear": {**_DECODER, "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    "llama llama3": {**_DECODER, "rope_theta": 5e5, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8}},
    "mistral": {**_DECODER, "rope_theta": 5e4, "sliding_window": 4},
    "qwen2": {**_DECODER, "rope_theta": 5e4, "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 10}},
    "qwen3": {**_DECODER, "rope_theta": 5e4},
    "gemma2": {**_DECODER, **_WINDOW, "rope_theta": 5e4, "attn_logit_softcapping": 5.0,
               "final_logit_softcapping": 3.0},
    "gemma3_text": {**_DECODER, **_WINDOW, "rope_theta": 5e4, "rope_local_base_freq": 500.0,
                    "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
    "phi3": {**_DECODER, "rope_theta": 5e4, "original_max_position_embeddings": 20,
             "rope_scaling": {"type": "longrope", "short_factor": [1.0 + i / 4 for i in range(8)],
                              "long_factor": [2.0] * 8}},
    "t5": _T5,
    "t5 untied": {**_T5, "tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"},
    "mt5": {**_T5, "tie_word_embeddings": False},
    **dict.fromkeys(("bart", "mbart", "pegasus", "marian", "m2m_100"), _BART),
}  # fmt: skip
"""Configs as transformers 4 takes them, by model type and, where there are several, a word."""
SINCE_5 = ("eurobert", "gte")
"""Types that transformers 4 did not know."""
_SEQ2SEQ = {"t5", "mt5", "bart", "mbart", "pegasus", "marian", "m2m_100"}
_CLASSIFIED = {kind for kind, told in CASES.items() if "num_labels" in told}
_COMPUTED = {"pegasus", "marian", "m2m_100"}
"""Their positions are sines, not weights."""


def make(case: str, config: Any = None) -> Any:
    """The model in eval mode; of another config than its own, if one is given."""
    kind = case.split()[0]
    config = config or AutoConfig.for_model(kind, vocab_size=ROWS, **CASES[case])
    if kind == "gemma2":
        config._attn_implementation = "eager"
    loader: Any = AutoModelForCausalLM
    if kind in _SEQ2SEQ:
        loader = AutoModelForSeq2SeqLM
    elif kind in _CLASSIFIED:
        loader = AutoModelForSequenceClassification
    model = loader.from_config(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if kind in _COMPUTED and "embed_positions" in name:
                continue
            if weights.ndim == 1:
                weights.add_(0.1 * _noise(name, weights.shape))
            else:
                weights.copy_(matrix(name, weights.shape))
    return model.eval()


def matrix(name: str, shape: Sequence[int]) -> torch.Tensor:
    """The weights of a matrix with this name."""
    return _noise(name, shape) * shape[-1] ** -0.5


def _noise(name: str, shape: Sequence[int]) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(crc32(name.encode())))


@torch.inference_mode()
def answer(model: Any) -> list[float]:
    """The logits of a text with IDS; of those that predict tokens, the first few of the last."""
    inputs = {"input_ids": torch.tensor([IDS])}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.tensor([[2, 7, 9]])
    found = model(**inputs).logits[0]
    return [float(one) for one in (found if found.ndim == 1 else found[-1])[:8]]

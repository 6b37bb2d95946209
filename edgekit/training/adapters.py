"""LoRA adapters: adds one for training, and merges it when that is done (Hu et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import peft
from transformers import PreTrainedModel

from edgekit.tables import Family

if TYPE_CHECKING:
    from edgekit.training.lora import Lora


def add_lora(model: PreTrainedModel, settings: Lora, *, family: Family) -> peft.PeftModel:
    """The model with a fresh adapter: only the adapter, and the head of an encoder, are trained."""
    decodes = family is Family.DECODER
    # The pooler of an encoder without a head is as fresh as the head itself.
    fresh = None if decodes else ["classifier", "pooler", "score", "pre_classifier"]
    config = peft.LoraConfig(
        task_type=peft.TaskType.CAUSAL_LM if decodes else peft.TaskType.SEQ_CLS,
        r=settings.rank,
        lora_alpha=settings.alpha or 2 * settings.rank,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        modules_to_save=fresh,
    )
    return peft.get_peft_model(model, config)


def merge(model: peft.PeftModel) -> PreTrainedModel:
    return model.merge_and_unload(safe_merge=True)

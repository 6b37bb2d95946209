"""The scores that a decoder is trained by are those that transformers gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.training import decoder
from tests.tiny import llama as tiny_llama

IDS = torch.arange(3, 30)[None]


@pytest.mark.parametrize("architecture", ["cohere2", "gemma2", "granite", "llama"])
def test_they_are_the_models_own_logits(architecture: str, tmp_path: Path) -> None:
    """Whatever becomes of the head's products: a factor, a divisor, a soft cap, nothing."""
    config = {"final_logit_softcapping": 3.0} if architecture == "gemma2" else None
    folder = tiny_llama.make_checkpoint(tmp_path / "model", architecture, config=config)
    model = decoder.load(folder, device="cpu").eval()
    with torch.inference_mode():
        given = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
        found = decoder.scores_of(model)(decoder.states(model, given))
        wanted = model(**given).logits[0, :-1]
    assert torch.allclose(found, wanted, atol=1e-5)

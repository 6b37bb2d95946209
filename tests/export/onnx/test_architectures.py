"""Every architecture that edgekit takes is described, exported exactly and quantized, tiny."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.export.onnx import calibration, observing, smoothing
from edgekit.export.onnx.classifier import export
from edgekit.export.onnx.quantize import quantize
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.tokens import TextTokenizer
from edgekit.training import predict
from tests.export.onnx import smoothed
from tests.export.onnx.test_seq2seq import job_of
from tests.tiny import encoder as tiny

SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "max_position_embeddings": 80, "pad_token_id": 1,
}  # fmt: skip
# What an architecture calls things by other names, or wants besides.
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 64},
    "distilbert": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128},
    "electra": {"embedding_size": 64},
    "deberta": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
    "deberta-v2": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16},
}
LONG = " ".join(tiny.texts()[:12])


@pytest.mark.parametrize("model_type", sorted(ENCODERS))
def test_it_is_exported_exactly_and_quantized(
    model_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tiny.make_tokenizer(tmp_path)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type,
        **{**SMALL, **OWN.get(model_type, {})},
        vocab_size=len(tokenizer),
        num_labels=3,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    description = describe(tmp_path)
    assert (description.layers, description.hidden) == (2, 64)
    texts = [*tiny.texts()[::20], "a", LONG]
    wanted = predict.logits(tmp_path, texts, max_tokens=64)
    (tmp_path / "out").mkdir()
    fp32 = export(tmp_path, tmp_path / "out")
    assert np.abs(answers(fp32, tmp_path, texts) - wanted).max() < 1e-4
    done = quantize(fp32, tmp_path / "s8.onnx", scheme="s8")
    assert done.matrices >= 8
    found = answers(tmp_path / "s8.onnx", tmp_path, texts)
    assert np.abs(found - wanted).max() < 0.3 * np.abs(wanted).max()
    # Smoothing changes no answer, wherever its factors go.
    monkeypatch.setattr(smoothing, "LEAST_GAIN", -1e9)
    job = replace(job_of(tmp_path), max_tokens=64)
    (tmp_path / "seen").mkdir()
    calibration.observe(job, fp32, texts, tmp_path / "seen")
    seen = observing.read(tmp_path / "seen" / "model.onnx.safetensors")
    assert len(seen) >= 6
    smoothed.write(fp32, tmp_path / "smooth.onnx", seen)
    error = np.abs(answers(tmp_path / "smooth.onnx", tmp_path, texts) - wanted).max()
    assert error < 1e-3 * np.abs(wanted).max()


def answers(path: Path, checkpoint: Path, texts: list[str]) -> np.ndarray:
    encoder = TextTokenizer(checkpoint / "tokenizer.json", max_tokens=64)
    with OnnxClassifier(path.read_bytes, encoder) as model:
        return np.stack([logits for logits, _ in model.map(texts)])

"""Exporting in a process of its own, and within 4 GB whatever the vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

from edgekit.errors import ExportError
from edgekit.export.onnx import tracing
from edgekit.export.onnx.tracing import export_classifier
from edgekit.runtime.onnx import LOGITS
from edgekit.system import child
from tests.tiny import encoder as tiny


def trace(checkpoint: Path, folder: Path) -> dict[str, Any]:
    request = {"checkpoint": checkpoint, "folder": folder}
    return child.ask("edgekit.export.onnx.tracing", LOGITS, request, doing="exporting")


def test_a_process_of_its_own_writes_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    checkpoint = tiny.make_encoder(tmp_path / "model", labels=tiny.LABELS)
    for name in ("here", "apart"):
        (tmp_path / name).mkdir()
    here = export_classifier(checkpoint, tmp_path / "here")
    done = trace(checkpoint, tmp_path / "apart")
    assert done["peak_bytes"] > 100_000_000
    assert (tmp_path / "apart" / "model.onnx").read_bytes() == here.read_bytes()


def test_a_vocabulary_smaller_than_the_stand_in_is_traced_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    checkpoint = tiny.make_encoder(tmp_path / "model", labels=tiny.LABELS)
    taken = export_classifier(checkpoint, tmp_path).stat().st_size
    monkeypatch.setattr(tracing, "STAND_IN_ROWS", 100_000)
    assert export_classifier(checkpoint, tmp_path).stat().st_size == pytest.approx(taken, abs=200)


def test_what_one_file_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    checkpoint = tiny.make_encoder(tmp_path / "model", labels=tiny.LABELS)
    monkeypatch.setattr(tracing, "MOST_BYTES", 100_000)
    with pytest.raises(ExportError, match="larger than the 2 GB"):
        export_classifier(checkpoint, tmp_path)


@pytest.mark.slow
def test_a_model_of_the_size_of_xlm_r_is_exported_and_quantized_in_3_gb(tmp_path: Path) -> None:
    checkpoint = tmp_path / "model"
    checkpoint.mkdir()
    tiny.make_tokenizer(checkpoint)
    config = XLMRobertaConfig(
        vocab_size=250_002, max_position_embeddings=514, type_vocab_size=1, num_labels=3
    )
    torch.manual_seed(0)
    XLMRobertaForSequenceClassification(config).save_pretrained(checkpoint)
    exported = trace(checkpoint, tmp_path)
    assert exported["peak_bytes"] < 3_000_000_000
    source, out = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    request = {
        "source": source,
        "out": out,
        "scheme": "s8",
        "embeddings": "int4",
        "seen": None,
    }
    done = child.ask("edgekit.export.onnx.quantize", "quantize", request, doing="quantizing")
    assert done["peak_bytes"] < 3_000_000_000
    assert done["size_bytes"] < 200_000_000

"""Encoder-decoder models as two ONNX files: equal answers, one word table, int8 in both."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from edgekit.checkpoint.generation import search_settings
from edgekit.data.rows import Row
from edgekit.errors import ExportError
from edgekit.export.onnx.quantize import quantize
from edgekit.export.onnx.seq2seq import proof, tracing
from edgekit.job.job import OutputJob
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from tests.tiny import seq2seq as tiny_seq2seq

TEXTS = [pair.text for pair in tiny_seq2seq.pairs(4, seed=11)]
UNTRAINED = ("mt5", "mbart", "pegasus", "marian", "m2m_100")


def job_of(checkpoint: Path) -> OutputJob:
    def run(*_: object) -> Any:
        raise AssertionError("nothing is stored here")

    return OutputJob(checkpoint, "", (), "", "", tiny_seq2seq.WINDOW, {}, run, "summaries")


@pytest.fixture(scope="module")
def t5(tiny_writers: tiny_seq2seq.Writers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported pair of the T5."""
    folder = tmp_path_factory.mktemp("t5")
    tracing.export(tiny_writers["t5"], folder)
    return folder


@pytest.mark.parametrize("family", UNTRAINED)
def test_every_family_writes_what_transformers_writes(family: str, tmp_path: Path) -> None:
    checkpoint = tiny_seq2seq.make_model(tmp_path / family, family=family, trained=False)
    (tmp_path / "out").mkdir()
    tracing.export(checkpoint, tmp_path / "out")
    found = proof.prove(job_of(checkpoint), tmp_path / "out", list(map(Row, TEXTS)))
    assert found.same == len(TEXTS)


def test_an_export_that_answers_otherwise_is_refused(
    tiny_writers: tiny_seq2seq.Writers, t5: Path, tmp_path: Path
) -> None:
    (tmp_path / ENCODER).write_bytes((t5 / ENCODER).read_bytes())
    model = onnx.load(str(t5 / DECODER))
    biases = next(one for one in model.graph.initializer if one.name.endswith("biases"))
    values = onnx.numpy_helper.to_array(biases) + np.float32(0.5) * np.arange(13)
    biases.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), biases.name))
    onnx.save(model, str(tmp_path / DECODER))
    with pytest.raises(ExportError, match="logits differ"):
        proof.prove(job_of(tiny_writers["t5"]), tmp_path, list(map(Row, TEXTS)))


def table_sizes(path: Path, rows: int) -> list[tuple[int, ...]]:
    initializers = onnx.load(str(path)).graph.initializer
    return [tuple(one.dims) for one in initializers if rows in one.dims and len(one.dims) == 2]


@pytest.mark.parametrize("family", tiny_seq2seq.FAMILIES)
@pytest.mark.parametrize("scheme", ["fp32", "s8", "u8", "int4"])
def test_the_word_table_is_stored_once(
    tiny_writers: tiny_seq2seq.Writers, family: str, scheme: str, tmp_path: Path
) -> None:
    model = AutoModelForSeq2SeqLM.from_pretrained(tiny_writers[family])
    tracing.export(tiny_writers[family], tmp_path)
    paths = [tmp_path / ENCODER, tmp_path / DECODER]
    if scheme != "fp32":
        for path in paths:
            quantize(path, path, scheme=scheme)
    found = [shape for path in paths for shape in table_sizes(path, model.config.vocab_size)]
    assert found == [(model.config.vocab_size, model.config.d_model)]


@pytest.mark.parametrize("scheme", ["s8", "u8"])
def test_int8_leaves_no_matrix_of_the_decoder_in_fp32(
    t5: Path, scheme: str, tmp_path: Path
) -> None:
    for name in (ENCODER, DECODER):
        quantize(t5 / name, tmp_path / name, scheme=scheme)
        graph = onnx.load(str(tmp_path / name)).graph
        floats = [one for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT]
        assert not [one.name for one in floats if np.prod(one.dims) >= 4096]
        assert (tmp_path / name).stat().st_size < 0.45 * (t5 / name).stat().st_size
    operators = Counter(node.op_type for node in graph.node)
    # Of each layer: query, key, value and output, query and output across, and the two of the
    # feed-forward network; then the head. What is left multiplies caches.
    assert operators["MatMulInteger"] == 2 * 8 + 1
    assert operators["MatMul"] == 2 * 4


def test_a_quantized_pair_still_summarizes(
    tiny_writers: tiny_seq2seq.Writers, t5: Path, tmp_path: Path
) -> None:
    for name in (ENCODER, DECODER):
        quantize(t5 / name, tmp_path / name, scheme="u8")
    generation = search_settings(AutoModelForSeq2SeqLM.from_pretrained(tiny_writers["t5"]))
    job = job_of(tiny_writers["t5"])
    fp32, int8 = (proof.open_pair(job, folder, generation) for folder in (t5, tmp_path))
    pairs = tiny_seq2seq.pairs(30, seed=12)
    same = [
        fp32.pieces(ids) == int8.pieces(ids)
        for ids in (fp32.first_window(pair.text) for pair in pairs)
    ]
    assert sum(same) >= 28


def test_settings_that_the_runtime_lacks_are_refused(tiny_writers: tiny_seq2seq.Writers) -> None:
    model = AutoModelForSeq2SeqLM.from_pretrained(tiny_writers["t5"])
    model.generation_config.encoder_repetition_penalty = 1.5
    with pytest.raises(ExportError, match="encoder_repetition_penalty"):
        search_settings(model)


def test_new_tokens_are_counted_as_transformers_counts_them(
    tiny_writers: tiny_seq2seq.Writers, t5: Path
) -> None:
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(tiny_writers["t5"])
    model.generation_config.max_new_tokens = 7
    model.generation_config.min_new_tokens = 6
    pair = proof.open_pair(job_of(tiny_writers["t5"]), t5, search_settings(model))
    for text in TEXTS:
        ids = pair.first_window(text)
        wanted = model.generate(torch.tensor([ids]))[0, 1:].tolist()
        assert pair.pieces(ids) == wanted

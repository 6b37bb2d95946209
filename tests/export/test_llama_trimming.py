"""Cutting pieces out of GGUF files, quantized ones too: tokens, logits and bytes stay."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import tiny_llama

from edgekit.build import trim_gguf as trimming
from edgekit.data import declaration
from edgekit.errors import ExportError, StepError
from edgekit.export.gguf import convert, predicting, quantizing, rewriting
from edgekit.export.gguf.rewriting import Opened
from edgekit.steps.trim_vocab.plan import TrimVocabSettings
from edgekit.steps.trim_vocab.vocabulary import languages

LANGUAGES = ("en", "fr")
LOOSE: dict[str, Any] = {"most_tokens_rise": 9.0, "most_unknown_rise": 1.0}
_listed = languages._listed


@functools.cache
def first_words(language: str) -> list[tuple[str, float]]:
    return list(itertools.islice(_listed(language), 2000))


@pytest.fixture(autouse=True)
def _short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real word lists, read once and cut: reading a whole one takes longer than a test."""
    monkeypatch.setattr(languages, "_listed", first_words)


@pytest.fixture(scope="module")
def model_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @functools.cache
    def made(architecture: str) -> Path:
        folder = tmp_path_factory.mktemp(architecture)
        checkpoint = tiny_llama.make_checkpoint(folder / "model", architecture, hidden=256)
        convert.convert(checkpoint, folder / "half.gguf")
        mixed = folder / "model.gguf"
        quantizing.quantize(folder / "half.gguf", mixed, mix="q4_k_m", threads=1)
        return mixed

    return made


def tables(path: Path) -> Mapping[str, Any]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def trim(model: Path, out: Path, **settings: Any) -> dict[str, Any]:
    texts = {name: declaration.paragraphs(name)[:20] for name in LANGUAGES}
    judging = {name: declaration.paragraphs(name)[20:30] for name in LANGUAGES}
    asked = TrimVocabSettings(**{**LOOSE, **settings})
    return trimming.trim(
        model, out, languages=LANGUAGES, settings=asked, texts=texts, judging=judging, threads=1
    )


@pytest.mark.parametrize("architecture", ["llama", "mistral"])
def test_rows_move_with_their_pieces_and_keep_their_bytes(
    architecture: str, model_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """Byte-level BPE whose table is the output too, and SentencePiece's with two tables."""
    model, out = model_of(architecture), tmp_path / "small.gguf"
    record = trim(model, out)
    before, after = (rewriting.read(one).facts for one in (model, out))
    old, new = (facts["tokenizer.ggml.tokens"] for facts in (before, after))
    assert record["pieces"] == {"before": len(old), "after": len(new)}
    assert len(new) < len(old) - 300
    numbers = [old.index(piece) for piece in new]
    large, small = tables(model), tables(out)
    assert list(large) == list(small)
    for name, tensor in large.items():
        wanted = tensor.data[numbers] if name in trimming.TABLES else tensor.data
        assert small[name].tensor_type == tensor.tensor_type
        np.testing.assert_array_equal(small[name].data, wanted)
    assert {large[name].tensor_type.name for name in large} & {"Q4_K", "Q6_K"}
    for key, value in before.items():
        if key.endswith("_token_id"):
            assert new[after[key]] == old[value], key
        elif not isinstance(value, list) and not key.endswith("vocab_size"):
            assert after[key] == value, key
    found = record["by_language"]
    assert set(found) == set(LANGUAGES)
    for one in found.values():
        assert one["logits_equal"] == one["bit_equal"] > 0
    # A text that took no part, by llama.cpp with both files.
    kept = {number: place for place, number in enumerate(numbers)}
    for text in declaration.paragraphs("en")[30:40]:
        [ids], [own] = (predicting.tokenize(one, [text], special=False) for one in (model, out))
        if all(number in kept for number in ids):
            assert own == [kept[number] for number in ids]


def test_nothing_is_left_where_the_proof_fails(
    model_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = model_of("llama"), tmp_path / "small.gguf"
    whole = rewriting.copy

    def spoiled(source: Opened, out: Path, *, rows: np.ndarray, **settings: Any) -> None:
        whole(source, out, rows=np.concatenate([rows[:300], rows[300:][::-1]]), **settings)

    with monkeypatch.context() as patch:
        patch.setattr(trimming.rewriting, "copy", spoiled)
        with pytest.raises(ExportError, match="same tokens as before and other logits"):
            trim(model, out)
    with pytest.raises(StepError, match="never removed"):
        trim(model, out, size=10)
    with pytest.raises(StepError, match=r"most_tokens_rise allows \(0\.1%\)"):
        trim(model, out, coverage=0.5, most_tokens_rise=0.001)
    assert list(tmp_path.iterdir()) == []


def test_other_kinds_of_tokenizers_are_refused(model_of: Callable[[str], Path]) -> None:
    model = model_of("llama")
    facts = {**rewriting.read(model).facts, "tokenizer.ggml.model": "t5"}
    with pytest.raises(ExportError, match="kind 't5', and only"):
        trimming.read_vocabulary(model, facts)

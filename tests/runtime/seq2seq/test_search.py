"""The search writes, piece by piece, what Hugging Face's `generate` writes; and streams it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForSeq2SeqLM

from edgekit.errors import ArtifactError, ContextOverflow
from edgekit.export.onnx.seq2seq import tracing
from edgekit.runtime.seq2seq import scores
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.seq2seq.search import search
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.system.cancel import Cancelled
from tests.tiny import seq2seq as tiny_seq2seq

TEXTS = [pair.text for pair in tiny_seq2seq.pairs(3, seed=21)] + ["lamp"]
# Names are those of `generate`. Pieces: 5 is the space, 6 and 7 are frequent letters.
TABLE: dict[str, dict[str, Any]] = {
    "greedy": {},
    "cut": {"max_length": 6},
    "greedy, longer": {"min_length": 18},
    "greedy, no pair again": {"no_repeat_ngram_size": 2, "min_length": 16},
    "greedy, no piece again": {"no_repeat_ngram_size": 1},
    "greedy, dampened": {"repetition_penalty": 1.7},
    "greedy, encouraged": {"repetition_penalty": 0.6},
    "greedy, forced": {"forced_bos_token_id": 6, "forced_eos_token_id": 2, "max_length": 9},
    "beams": {"num_beams": 4},
    "many beams": {"num_beams": 9},
    "beams, cut": {"num_beams": 3, "max_length": 5},
    "beams, longer preferred": {"num_beams": 4, "length_penalty": 2.0},
    "beams, shorter preferred": {"num_beams": 4, "length_penalty": -1.0},
    "beams, length ignored": {"num_beams": 3, "length_penalty": 0.0},
    "beams, early": {"num_beams": 4, "early_stopping": True},
    "beams, never early": {"num_beams": 4, "early_stopping": "never"},
    "beams, never early, shorter preferred": {
        "num_beams": 3,
        "early_stopping": "never",
        "length_penalty": -0.5,
    },
    "beams, longer": {"num_beams": 3, "min_length": 15, "early_stopping": True},
    "beams, no three again": {"num_beams": 4, "no_repeat_ngram_size": 3, "min_length": 14},
    "beams, nothing of the text": {"num_beams": 2, "encoder_no_repeat_ngram_size": 3},
    "beams, dampened": {"num_beams": 3, "repetition_penalty": 1.4},
    "beams, forced": {"num_beams": 3, "forced_bos_token_id": 7, "forced_eos_token_id": 2},
    "beams, words": {"num_beams": 3, "bad_words_ids": [[5], [6, 7], [2]]},
    "greedy, words": {"bad_words_ids": [[5], [15, 7], [42, 9, 6]]},
    "suppressed": {"num_beams": 2, "suppress_tokens": [5, 6]},
    "suppressed at first": {"begin_suppress_tokens": [5, 2]},
    "suppressed after a forced one": {
        "num_beams": 2,
        "forced_bos_token_id": 5,
        "begin_suppress_tokens": [15, 6],
    },
    "several ends": {"num_beams": 3, "eos_token_id": [2, 6, 7]},
    "all at once": {
        "num_beams": 5,
        "no_repeat_ngram_size": 2,
        "repetition_penalty": 1.2,
        "min_length": 8,
        "length_penalty": 1.5,
        "early_stopping": "never",
        "forced_eos_token_id": 2,
    },
}


class Both:
    """A checkpoint in transformers and as edgekit runs it."""

    def __init__(self, checkpoint: Path, folder: Path) -> None:
        tracing.export(checkpoint, folder)
        self.torch: Any = AutoModelForSeq2SeqLM.from_pretrained(checkpoint)
        own = self.torch.generation_config
        self.generation = Generation(
            decoder_start_token_id=own.decoder_start_token_id,
            eos_token_ids=(tiny_seq2seq.END,),
            max_length=24,
        )
        # Each setting of the table stands alone.
        own.forced_bos_token_id = own.forced_eos_token_id = None
        self.folder, self.tokenizer = folder, (checkpoint / "tokenizer.json").read_bytes()
        self.engine = self.with_settings(self.generation)

    def with_settings(self, generation: Generation) -> Seq2SeqWriter:
        return Seq2SeqWriter(
            lambda name: (self.folder / name).read_bytes(),
            self.tokenizer,
            generation,
            max_tokens=tiny_seq2seq.WINDOW,
            threads=1,
        )

    def wanted(self, ids: list[int], settings: dict[str, Any]) -> list[int]:
        settings = {"max_length": 24, **settings}
        with torch.inference_mode():
            found = self.torch.generate(torch.tensor([ids]), do_sample=False, **settings)
        return list(found[0, 1:].tolist())

    def settings(self, names: dict[str, Any]) -> Generation:
        renamed = {"eos_token_id": "eos_token_ids", "forced_eos_token_id": "forced_eos_token_ids"}
        values = {
            renamed.get(name, name): [value] if name == "forced_eos_token_id" else value
            for name, value in names.items()
        }
        return Generation.from_json({**self.generation.as_json(), **values})


@pytest.fixture(scope="module", params=tiny_seq2seq.FAMILIES)
def both(
    request: pytest.FixtureRequest,
    tiny_writers: tiny_seq2seq.Writers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Both:
    return Both(tiny_writers[request.param], tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("name", TABLE)
def test_pieces_are_those_of_generate(both: Both, name: str) -> None:
    for text in TEXTS:
        ids = both.engine.first_window(text)
        told: list[int] = []
        found = both.engine.pieces(ids, both.settings(TABLE[name]), on_pieces=told.extend)
        assert found == both.wanted(ids, TABLE[name]), text
        assert told == found


def test_the_models_end_their_summaries_and_get_some_of_them_right(both: Both) -> None:
    pairs = tiny_seq2seq.pairs(20, seed=22)
    found = [both.engine.shorten(one.text, on_piece=lambda piece: None) for one in pairs]
    assert sum(text == pair.summary for text, pair in zip(found, pairs, strict=True)) >= 5
    assert len({len(both.engine.first_window(text)) for text in found}) > 3


@pytest.mark.parametrize(
    "changes", [{}, {"num_beams": 3, "forced_bos_token_id": 6}], ids=["greedy", "beams"]
)
def test_a_summary_is_told_in_pieces_of_itself(both: Both, changes: dict[str, int]) -> None:
    """Of beams, what all of them have in common: here at least the piece that is forced."""
    engine = both.with_settings(replace(both.generation, **changes))
    most = 0
    for text in TEXTS:
        told: list[str] = []
        found = engine.shorten(text, on_piece=told.append)
        assert "".join(told) == found
        most = max(most, sum(map(bool, told)))
    assert most > 1


def test_who_hears_the_pieces_can_stop_it(both: Both) -> None:
    heard = 0

    def stop(pieces: Sequence[int]) -> None:
        nonlocal heard
        heard += 1
        if heard == 3:
            raise Cancelled

    for beams in (1, 4):
        heard = 0
        with pytest.raises(Cancelled):
            both.engine.pieces([6, 7, 2], replace(both.generation, num_beams=beams), on_pieces=stop)
        assert heard == 3


def test_words_bound_a_summary(both: Both) -> None:
    written = ((text, both.engine.shorten(text, on_piece=lambda piece: None)) for text in TEXTS)
    text, whole = max(written, key=lambda one: len(one[1].split()))
    short = both.engine.shorten(text, words=1, on_piece=lambda piece: None)
    assert len(short) < len(whole)
    assert whole.startswith(short)


def test_a_text_beyond_the_window_is_refused(both: Both) -> None:
    text = "lamp on " * 40
    assert both.engine.count(text) > both.engine.window
    with pytest.raises(ContextOverflow, match="split it"):
        both.engine.shorten(text, on_piece=lambda piece: None)


def test_a_text_that_fills_the_window_is_read(both: Both) -> None:
    text = "e " * tiny_seq2seq.WINDOW
    while both.engine.count(text) > both.engine.window:
        text = text[2:]
    assert len(both.engine.first_window(text)) >= tiny_seq2seq.WINDOW - 1
    both.engine.shorten(text, words=2, on_piece=lambda piece: None)


class Chance:
    """A model without memory that is unsure of everything."""

    def __init__(self, vocabulary: int, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.vocabulary = vocabulary

    def next(self, pieces: Sequence[int], order: Sequence[int]) -> np.ndarray:
        return self.random.normal(0, 1, (len(pieces), self.vocabulary)).astype(np.float32)


@given(
    seed=st.integers(0, 10_000),
    beams=st.integers(1, 4),
    most=st.integers(2, 12),
    least=st.integers(0, 6),
    ngram=st.integers(0, 3),
    early=st.sampled_from([True, False, "never"]),
)
def test_what_is_written_keeps_to_the_settings(
    seed: int, beams: int, most: int, least: int, ngram: int, early: Any
) -> None:
    settings = Generation(
        0, (1,), beams, most, min(least, most - 1), 1.0, early, no_repeat_ngram_size=ngram
    )
    told: list[int] = []
    found = search(Chance(40, seed), [3, 4], settings, on_pieces=told.extend)
    assert told == found
    assert 1 <= len(found) <= most - 1
    assert 1 not in found[:-1]
    assert found[-1] == 1 or len(found) == most - 1
    assert len(found) >= min(least, most - 1)
    if ngram:
        runs = [tuple([0, *found][at : at + ngram]) for at in range(len(found) + 2 - ngram)]
        assert all(len(list(group)) == 1 for _, group in itertools.groupby(sorted(runs)))


def test_settings_are_written_and_read_again() -> None:
    settings = Generation(1, (2, 3), 4, bad_words_ids=((1, 2), (3,)), early_stopping="never")
    assert Generation.from_json(settings.as_json()) == settings
    assert "min_length" not in settings.as_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 1.0}, "does not know"),
        ({"num_beams": 0}, "damaged"),
        ({"eos_token_ids": []}, "damaged"),
        ({"early_stopping": "soon"}, "damaged"),
        ({"max_length": 1}, "damaged"),
        ({"repetition_penalty": 0.0}, "damaged"),
    ],
)
def test_settings_of_no_use_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        Generation.from_json({"decoder_start_token_id": 0, "eos_token_ids": [1], **change})


def test_nothing_is_changed_that_was_not_asked_for() -> None:
    assert scores.changes(Generation(0, (1,)), [3, 4]) == ()

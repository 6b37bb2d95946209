"""Marian and M2M100 as they are published: our one tokenizer.json against transformers' classes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import M2M100Tokenizer, MarianTokenizer

from edgekit.checkpoint import published
from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.frames import TARGET
from edgekit.data import scripts
from edgekit.errors import CheckpointError
from edgekit.runtime.tokens import TOKENIZER
from tests.tiny import translator as tiny

ODD = (
    "Muñoz café naïve", "北京 is 北, 京城 x", "ﬁne ½ ①", "  lead", "▁x ▁", "a\nb\r\n\tc",
    "</s> <pad> a", "", " ", "a >>fra<< b", "eß ßßß é", "각각 각",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """MarianTokenizer recommends a package that it never uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_marian(tmp_path_factory.mktemp("marian"), layers=1)


def texts() -> list[str]:
    return [*ODD, *(text[:300] for text in scripts.texts())]


def written(folder: Path, out: Path) -> tuple[Tokenizer, list[str]]:
    notes = published.write(folder, out)
    return Tokenizer.from_file(str(out / TOKENIZER)), notes


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_it_reads_and_writes_as_marians_own_tokenizer(kind: str, tmp_path: Path) -> None:
    tiny.marian_files(tmp_path, targets=("fr", "zh"), kind=kind)
    rows = len(json.loads((tmp_path / "vocab.json").read_text()))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "marian", "vocab_size": rows}))
    (tmp_path / "out").mkdir()
    ours, notes = written(tmp_path, tmp_path / "out")
    theirs: Any = MarianTokenizer.from_pretrained(tmp_path)
    assert notes == []
    assert [ours.encode(text).ids for text in texts()] == theirs(texts())["input_ids"]
    writes = Tokenizer.from_file(str(tmp_path / "out" / TARGET))
    wanted = theirs(text_target=texts())["input_ids"]
    assert [writes.encode(text).ids for text in texts()] == wanted
    # Letters that only the target's pieces have are found one by one, and runs as a whole.
    unknown = theirs.unk_token_id
    assert unknown not in ours.encode("é").ids
    for ids in [[*range(at, min(rows, at + 7))] for at in range(0, rows, 7)]:
        told = theirs.decode(ids, skip_special_tokens=True)
        assert ours.decode(ids, skip_special_tokens=True).strip() == told


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_it_reads_and_writes_as_m2m100s_own_tokenizer(kind: str, tmp_path: Path) -> None:
    tiny.make_m2m(tmp_path, kind=kind)
    (tmp_path / "out").mkdir()
    ours, _ = written(tmp_path, tmp_path / "out")
    theirs: Any = M2M100Tokenizer.from_pretrained(tmp_path, src_lang="en")
    for text in texts():
        code, *rest = theirs(text)["input_ids"]
        assert ours.encode(text).ids == rest
        assert ours.token_to_id("__en__") == code
    assert not (tmp_path / "out" / TARGET).exists()


def test_pieces_that_the_list_lacks_are_told_and_their_parts_are_read(
    marian: Path, tmp_path: Path
) -> None:
    for path in marian.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    listed = json.loads((tmp_path / "vocab.json").read_text())
    number = listed.pop("▁right")
    (tmp_path / "vocab.json").write_text(json.dumps(listed))
    (tmp_path / "out").mkdir()
    ours, notes = written(tmp_path, tmp_path / "out")
    assert ["1 pieces of source.spm (such as '▁right')" in note for note in notes] == [True]
    assert number not in ours.encode("right").ids
    assert listed["<unk>"] not in ours.encode("right").ids


def test_it_is_described_without_a_tokenizer_json(marian: Path) -> None:
    assert published.is_one(marian, {"model_type": "marian"})
    assert not published.is_one(marian, {"model_type": "t5"})
    assert describe(marian).max_tokens == tiny.WINDOW
    assert published.counter(marian)("lamp on") == len(
        MarianTokenizer.from_pretrained(marian)("lamp on")["input_ids"]
    )


def test_damaged_files_and_two_lists_are_refused(marian: Path, tmp_path: Path) -> None:
    for path in marian.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "source.spm").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="transformers cannot load this tokenizer"):
        published.write(tmp_path, tmp_path / "out")
    (tmp_path / "source.spm").write_bytes((marian / "source.spm").read_bytes())
    told = json.loads((tmp_path / "tokenizer_config.json").read_text())
    told |= {"separate_vocabs": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match="separate_vocabs"):
        published.write(tmp_path, tmp_path / "out")

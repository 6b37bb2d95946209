"""Texts as they come, with where and when; what cannot be read is told and passed over."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from edgekit.data.incoming import Columns, Incoming, from_path, from_stream
from edgekit.errors import DataError

COLUMNS = Columns()


def read(text: str) -> list[Incoming | DataError]:
    return list(from_stream(io.StringIO(text), COLUMNS))


def test_a_line_is_a_text_or_a_record() -> None:
    plain, odd, whole = read(
        'lamp on\n\n{no record}\n{"text": "song", "language": "fr", "source": 7, "time": 12}\n'
    )
    assert isinstance(plain, Incoming)
    assert (plain.text, plain.language, plain.source, plain.place) == (
        "lamp on", None, "-", "line 1",
    )  # fmt: skip
    assert isinstance(odd, Incoming)
    assert odd.text == "{no record}"
    assert whole == Incoming("song", "line 4", "fr", "7", 12.0)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("12", 12.0), ('"12.5"', 12.5), ('"1970-01-01T00:01:00Z"', 60.0),
     ('"1970-01-01T01:00:00+01:00"', 0.0)],
)  # fmt: skip
def test_times_are_seconds_or_iso_8601(written: str, seconds: float) -> None:
    (found,) = read(f'{{"text": "lamp", "time": {written}}}')
    assert isinstance(found, Incoming)
    assert found.at == seconds


@pytest.mark.parametrize(
    "line", ['{"text": ""}', '{"txt": "lamp"}', '{"text": 7}', '{"text": "a", "time": "noon"}',
             '{"text": "a", "time": true}'],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_place(line: str) -> None:
    first, second = read(f"{line}\nsong\n")
    assert isinstance(first, DataError)
    assert str(first).startswith("line 1: ")
    assert isinstance(second, Incoming)


def test_a_folder_is_read_by_name_and_a_bad_file_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("text,source\nlamp,\nsong,radio\n")
    (tmp_path / "a.txt").write_bytes(b"first\n\xff\n")
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / "folder").mkdir()
    found = list(from_path(tmp_path, COLUMNS, follow=False))
    told = [(one.text, one.source) for one in found if isinstance(one, Incoming)]
    assert told == [("first", "a.txt"), ("lamp", "b.csv"), ("song", "radio")]
    (error,) = (one for one in found if isinstance(one, DataError))
    assert "a.txt:2" in str(error)


def test_a_followed_folder_gives_what_comes_later(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first\n")

    def idle() -> None:
        (tmp_path / ".b").write_text("second\n")
        (tmp_path / ".b").replace(tmp_path / "b.txt")

    texts = from_path(tmp_path, COLUMNS, follow=True, idle=idle)
    for wanted in ("first", "second"):
        found = next(texts)
        assert isinstance(found, Incoming)
        assert found.text == wanted


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        next(from_path(tmp_path / "gone", COLUMNS, follow=False))

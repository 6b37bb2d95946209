"""CSV as spreadsheets write it: delimiters, titles, quotes and empty columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.data.header import header_at, letters
from edgekit.data.reading import Form, Reading
from edgekit.data.records import form_of, placed_records, stream_records
from edgekit.errors import DataError

TWO = [{"id": "00123", "text": "schön, sagt sie", "note": ""},
       {"id": "7", "text": "ja", "note": "1,5"}]  # fmt: skip


def read(folder: Path, text: str, *, name: str = "a.csv", encoding: str = "utf-8") -> tuple[
    Form, list[dict[str, str]]
]:  # fmt: skip
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return form_of(path), list(stream_records(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_every_delimiter_encoding_and_line_end(
    mark: str, end: str, encoding: str, tmp_path: Path
) -> None:
    lines = ['id,text,note', '00123,"schön, sagt sie",', '7,ja,"1,5"']  # fmt: skip
    quoted = [line.replace('"schön, sagt sie"', "@").replace('"1,5"', "#") for line in lines]
    text = end.join(line.replace(",", mark) for line in quoted) + end
    text = text.replace("@", '"schön, sagt sie"').replace("#", '"1,5"')
    form, records = read(tmp_path, text, encoding=encoding)
    assert records == TWO
    assert (form.delimiter, form.line_end, form.header) == (mark, end, 1)
    assert form.encoding is not None
    assert form.encoding.guessed is (encoding == "cp1252")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_first_line_may_declare_the_delimiter(mark: str, tmp_path: Path) -> None:
    text = f"sep={mark}\r\nid{mark}text\r\n1{mark}a,b;c\r\n"
    if mark in ",;":
        text = text.replace("a,b;c", '"a,b;c"')
    form, records = read(tmp_path, text)
    assert records == [{"id": "1", "text": "a,b;c"}]
    assert form.declared
    assert form.header == 2
    assert next(placed_records(tmp_path / "a.csv"))[0].endswith(":3")


def test_a_comma_in_the_header_of_a_table_with_semicolons(tmp_path: Path) -> None:
    form, records = read(tmp_path, "id;text, German;label\n1;a;x\n2;b;y\n")
    assert form.delimiter == ";"
    assert records[0] == {"id": "1", "text, German": "a", "label": "x"}


@pytest.mark.parametrize("title", [
    "Survey, spring 2026\n", "Survey 2026;;\n;;\n", "Survey 2026\n\nAll wards\n",
])  # fmt: skip
def test_titles_stand_above_the_header(title: str, tmp_path: Path) -> None:
    form, records = read(tmp_path, f"{title}id;text;note\n1;a;\n2;b;\n")
    assert records == [{"id": "1", "text": "a", "note": ""}, {"id": "2", "text": "b", "note": ""}]
    assert form.header == title.count("\n") + 1
    assert "line" in form.notes()[0]


def test_texts_with_delimiters_in_the_only_column_are_no_titles(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nhello; you\nbye; me\n")
    assert list(stream_records(path)) == [{"text": "hello; you"}, {"text": "bye; me"}]
    path.write_text("text\nhello, you\nbye, me\n")
    with pytest.raises(DataError, match=r":2: 2 fields, but the header names 1 column"):
        list(stream_records(path))


def test_a_person_may_say_which_line_names_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Date:;2026\nWard:;3\nid;text\n1;a\n")
    assert list(stream_records(path, reading=Reading(header=3))) == [{"id": "1", "text": "a"}]
    with pytest.raises(DataError, match="no line 9"):
        list(stream_records(path, reading=Reading(header=9)))


def test_quotes_keep_line_breaks_and_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'id;text\r\n1;"two\r\nlines; ""so"""\r\n2;x\r\n')
    assert [(place[-2:], record["text"]) for place, record in placed_records(path)] == [
        (":2", 'two\r\nlines; "so"'), (":4", "x"),
    ]  # fmt: skip


def test_blank_columns_are_called_by_their_letters(tmp_path: Path) -> None:
    form, records = read(tmp_path, "id;;text;;\n1;m;a;;\n2;;b;;odd\n")
    assert records == [
        {"id": "1", "column B": "m", "text": "a"},
        {"id": "2", "column B": "", "text": "b", "column E": "odd"},
    ]
    assert form.columns == ("id", "", "text", "", "")
    assert [letters(at) for at in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_excels_unicode_text_is_a_table_and_other_text_is_lines(tmp_path: Path) -> None:
    table = 'id\ttext\r\n1\t"a ""b"""\r\n2\tschön\r\n'
    form, records = read(tmp_path, table, name="a.txt", encoding="utf-16")
    assert records == [{"id": "1", "text": 'a "b"'}, {"id": "2", "text": "schön"}]
    assert form.delimiter == "\t"
    _, lines = read(tmp_path, 'one, "two\n\n three\n', name="b.txt")
    assert lines == [{"text": 'one, "two'}, {"text": "three"}]


def test_the_encoding_can_be_overruled(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text\nМосква\n".encode("cp1251"))
    assert list(stream_records(path, reading=Reading(encoding="mac_roman"))) != [{"text": "Москва"}]
    assert list(stream_records(path, reading=Reading(encoding="windows-1251"))) == [
        {"text": "Москва"}
    ]


def test_decimal_commas_are_seen(tmp_path: Path) -> None:
    assert read(tmp_path, "id;v\n1;0,5\n2;1,25\n")[0].decimal_comma
    assert not read(tmp_path, "id;v\n1;0.5\n2;1.25\n")[0].decimal_comma


def test_a_header_is_the_first_row_unless_one_cell_stands_alone_above() -> None:
    assert header_at([["id", "text"], ["1", "a"]]) == 0
    assert header_at([["Survey of all"], ["id", "text"], ["1", "a"]]) == 1
    assert header_at([["text"], ["a"], ["b"]]) == 0
    assert header_at([]) == 0

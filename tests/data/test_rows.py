"""Rows are read exactly or refused in a sentence that names the place."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.data.rows import (
    Columns,
    Row,
    read_inputs,
    read_rows,
    read_texts,
    stream_records,
    told_language,
)
from edgekit.errors import DataError

HEADER = b"text,label,language\n"


def written(folder: Path, content: bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_csv_rows_keep_every_field(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'text,label,language,group,region\n"licht, an",on,de,t1,north\n關燈,off,,,south\n'.encode(),
    )
    assert read_rows(path, slices=["region"]) == [
        Row("licht, an", "on", "de", "t1", {"region": "north"}),
        Row("關燈", "off", None, None, {"region": "south"}),
    ]


def test_jsonl_and_parquet_give_the_same_rows_as_csv(tmp_path: Path) -> None:
    records = [
        {"utterance": "on", "y": 1, "lang": "en"},
        {"utterance": "عطل", "y": 0, "lang": "ar"},
    ]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    jsonl = written(tmp_path, lines.encode(), "rows.jsonl")
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "rows.parquet")
    table = written(tmp_path, "utterance;y;lang\non;1;en\nعطل;0;ar\n".encode())
    columns = Columns(text="utterance", label="y", language="lang")
    expected = [Row("on", "1", "en"), Row("عطل", "0", "ar")]
    for path in (jsonl, tmp_path / "rows.parquet", table):
        assert read_rows(path, columns=columns) == expected


def test_bom_and_windows_line_ends_are_no_part_of_the_text(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbftext,label\r\nhello,a\r\n\r\n")
    assert read_rows(path) == [Row("hello", "a")]


BAD = {
    "missing column": (b"txt,label\na,b\n", ":2: there is no column 'text'. Did you mean 'txt'?"),
    "empty file": (b"", "the file is empty"),
    "header alone": (HEADER, "the file is empty"),
    "NUL": (HEADER + b"a\0b,x,en\na\0,x,en\n", ":2: the line has a NUL character"),
    "one broken letter": (
        HEADER + "schön,x,de\nnaïve,x,en\n".encode() * 3 + b"caf\xe9,x,fr\n",
        ":8: a letter after 'caf' cannot be read as UTF-8, in which the file is written; correct",
    ),
    "not text": (HEADER + bytes(range(128, 160)) * 50 + b"\n", "in an encoding that edgekit knows"),
    "long line": (HEADER + b"a" * 10_000_001 + b",x,en\n", ":2: the line is over 10 MB"),
    "long field": (HEADER + b'"' + b"abcdefgh\n" * 1_200_000 + b'",x,en\n', ":2: this is not CSV"),
    "empty text": (HEADER + b"ok,x,en\n  ,x,en\n", ":3: column 'text' is empty"),
    "empty label": (HEADER + b"hello,,en\n", ":2: column 'label' is empty"),
    "few fields": (HEADER + b"hello,x\n", ":2: 2 fields, but the header names 3 columns"),
    "many fields": (HEADER + b"hello, you,x,en\n", ":2: 4 fields"),
    "open quote": (HEADER + b'ok,x,en\n"hello,x,en\nb,x,en\n', ":3: this is not CSV"),
    "same column twice": (b"text,label,text\na,b,c\n", ":1: the column 'text' is there twice"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_csv_is_refused_with_place_fault_and_remedy(fault: str, tmp_path: Path) -> None:
    content, expected = BAD[fault]
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)


BAD_LINES = {
    "broken": '{"text": "a"',
    "no object": '["a"]',
    "blank": "",
    "lone surrogate": '{"text": "\\ud800", "label": "x"}',
    "NUL": '{"text": "\\u0000", "label": "x"}',
    "same key twice": '{"text": "a", "text": "b", "label": "x"}',
    "number for text": '{"text": 1.5, "label": "x"}',
    "null for text": '{"text": null, "label": "x"}',
    "no label": '{"text": "a"}',
    "NaN": '{"text": "a", "label": "x", "weight": NaN}',
    "deep": '{"text": ' + "[" * 100_000,
}


@pytest.mark.parametrize("fault", BAD_LINES)
def test_bad_jsonl_is_refused_with_its_line(fault: str, tmp_path: Path) -> None:
    good = '{"text": "a", "label": "x"}\n'
    path = written(tmp_path, (good + BAD_LINES[fault] + "\n" + good).encode(), "rows.jsonl")
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a" * 50] * 500, "label": ["x"] * 500}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        read_rows(path)


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet", "missing.txt"])
def test_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=name):
        list(read_texts([tmp_path / name]))


def test_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.csv, \.tsv, \.jsonl, \.parquet, \.xlsx, \.ods"):
        read_rows(written(tmp_path, b"x", "rows.numbers"))


def test_missing_slice_column_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, b"text,label,gender\na,x,f\n")
    with pytest.raises(DataError, match=r"no column 'gendre'\. Did you mean 'gender'"):
        read_rows(path, slices=["gendre"])


def test_streamed_column_is_checked_and_others_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"id": 7, "note": ["x"], "text": ""}\n', "in.jsonl")
    assert list(stream_records(path, column="text")) == [{"id": 7, "note": ["x"], "text": ""}]
    with pytest.raises(DataError, match="column 'id' must be text"):
        list(stream_records(path, column="id"))


def test_blank_line_in_a_file_of_one_column_is_a_record(tmp_path: Path) -> None:
    path = written(tmp_path, b"text\na\n\nb\n\n\n")
    assert [record["text"] for record in stream_records(path)] == ["a", "", "b"]


def test_texts_come_from_lines_and_from_columns(tmp_path: Path) -> None:
    lines = written(tmp_path, b"\n eins \n\nzwei", "a.txt")
    table = written(tmp_path, b"text\ndrei\n", "b.csv")
    assert list(read_texts([lines, table])) == ["eins", "zwei", "drei"]


PRINTABLE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(rows=st.lists(st.tuples(PRINTABLE, PRINTABLE), min_size=1))
def test_whatever_a_csv_writer_wrote_is_read_back(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("text", "label"), *rows])
    path = written(tmp_path_factory.mktemp("csv"), stream.getvalue().encode())
    assert [(record["text"], record["label"]) for record in stream_records(path)] == rows


def test_rows_of_one_language_need_not_name_it() -> None:
    rows = [Row("a", "x"), Row("b", "y", language="fr")]
    assert [row.language for row in told_language(rows, ["en"])] == ["en", "fr"]
    assert [row.language for row in told_language(rows, ["en", "fr"])] == [None, "fr"]


PAIRED = {
    ".csv": "text,text_pair,label\na man sleeps,a man is awake,no\nb,c,yes\n",
    ".jsonl": '{"text": "a man sleeps", "text_pair": "a man is awake", "label": "no"}\n'
    '{"text": "b", "text_pair": "c", "label": "yes"}\n',
}


@pytest.mark.parametrize("suffix", PAIRED)
def test_a_row_may_be_a_pair_of_texts(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_text(PAIRED[suffix])
    rows = read_rows(path)
    assert [row.input for row in rows] == [("a man sleeps", "a man is awake"), ("b", "c")]
    path.write_text(PAIRED[suffix].replace("text_pair", "hypothesis").replace("text", "premise", 1))
    path.write_text(path.read_text().replace('{"text"', '{"premise"'))
    columns = Columns(text="premise", text_pair="hypothesis")
    assert read_rows(path, columns=columns) == rows
    assert Row.of(("b", "c")).input == ("b", "c")
    assert Row.of("b").input == "b"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['"text_pair": "c"', '"a": 1'], r"rows.jsonl:2: this row has no second text \(column"),
        (['"a": 1', '"text_pair": "c"'], r"rows.jsonl:2: this row has a second text \(column"),
        (['"a": 1', '"text_pair": null', '"text_pair": "c"'], r"rows.jsonl:3: this row has a sec"),
        (['"text_pair": "c"', '"text_pair": " "'], r"rows.jsonl:2: column 'text_pair' is empty"),
        (['"text_pair": ["c"]'], r"rows.jsonl:1: column 'text_pair' must be text, but is list"),
    ],
)
def test_either_all_rows_are_pairs_or_none(lines: list[str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(f'{{"text": "a", "label": "x", {one}}}' for one in lines))
    with pytest.raises(DataError, match=said):
        read_rows(path)


def test_pairs_are_read_from_a_table_with_both_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(PAIRED[".csv"])
    assert list(read_inputs([path], pairs=True))[1] == ("b", "c")
    assert list(read_inputs([path], pairs=False))[1] == "b"
    path.write_text("text\na\n")
    with pytest.raises(DataError, match="there is no column 'text_pair'"):
        list(read_inputs([path], pairs=True))


SETS = {
    "csv": "text,labels\na,heat|light\nb,\nc, music \n",
    "jsonl": '{"text": "a", "labels": ["heat", "light"]}\n{"text": "b", "labels": []}\n'
    '{"text": "c", "labels": "music"}\n',
    "null.jsonl": '{"text": "a", "labels": "heat|light"}\n{"text": "b", "labels": null}\n'
    '{"text": "c", "labels": ["music"]}\n',
}


@pytest.mark.parametrize("name", SETS)
def test_rows_may_have_several_labels_or_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{name}"
    path.write_text(SETS[name])
    found = read_rows(path)
    assert [row.labels for row in found] == [("heat", "light"), (), ("music",)]
    assert {row.label for row in found} == {None}


def test_sets_of_labels_come_from_lists_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "labels": [["heat", "light"], []]}), path)
    assert [row.labels for row in read_rows(path)] == [("heat", "light"), ()]


def test_a_column_of_one_label_is_read_as_before_beside_one_of_several(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label,labels\na,heat,heat|light\n")
    assert [(row.label, row.labels) for row in read_rows(path)] == [("heat", None)]


BAD_SETS = {
    "a label twice": '"heat|light|heat"',
    "an empty label": '"heat||light"',
    "scores": "[0.0, 1.0, 0.0]",
    "booleans": "[true, false]",
    "a sign inside a label": '["a|b"]',
    "a number": "1.5",
}


@pytest.mark.parametrize("fault", BAD_SETS)
def test_bad_sets_of_labels_are_refused_with_their_place(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a", "labels": {BAD_SETS[fault]}}}\n')
    with pytest.raises(DataError, match=r"rows.jsonl:1: column 'labels' .*(mend it|once)\."):
        read_rows(path)

"""A file goes back as it came: its format, its signs, its own columns, and new ones behind."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl.styles import Font

from edgekit.data import workbook_copy
from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.record_writer import RecordWriter
from edgekit.data.records import form_of, placed_records, stream_records
from edgekit.errors import DataError
from tests.tiny.sheets import ods


def back(
    source: Path,
    out: Path,
    *,
    rows: Sequence[int] | None = None,
    label: str = "warm",
    reading: Reading = AS_FOUND,
) -> tuple[str, ...]:
    """Writes the records with a label and a score behind; returns the notes."""
    with RecordWriter(out, source=source, rows=rows, reading=reading) as writer:
        for number, (_, record) in zip(count(1), placed_records(source, reading), strict=False):
            if rows is None or number in rows:
                writer.write({**record, "label": label, "score": 0.5})
        writer.finish()
        return writer.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_text_keeps_delimiter_encoding_and_line_ends(
    mark: str, end: str, encoding: str, tmp_path: Path
) -> None:
    lines = ["id,text,day", "00123,schön,31.01.2026", "1234567890123456,größer,"]
    text = end.join(line.replace(",", mark) for line in lines) + end
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(text.encode(encoding))
    assert back(source, out) == ()
    lines[0] += ",label,score"
    wanted = [lines[0], lines[1] + ",warm,0.5", lines[2] + ",warm,0.5"]
    assert out.read_bytes() == "".join(
        line.replace(",", mark) + end for line in wanted
    ).encode(encoding)  # fmt: skip


def test_titles_declarations_quotes_blank_columns_and_decimal_commas_stay(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b'sep=;\r\n"Survey 2026";"";"";""\r\n"Nr";"";"text";"v"\r\n'
                       b'"1";"";"a;b";"0,5"\r\n"2";"m";"c";"1,5"\r\n')  # fmt: skip
    back(source, out, rows=[2])
    assert out.read_bytes() == (
        b'sep=;\r\n"Survey 2026";"";"";""\r\n"Nr";"";"text";"v";"label";"score"\r\n'
        b'"2";"m";"c";"1,5";"warm";"0,5"\r\n'
    )


def test_what_the_encoding_lacks_is_written_in_utf_8_and_said(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes("sep=;\r\nid;text\r\n1;schöne Größe\r\n".encode("cp1252"))
    notes = back(source, out, label="مرحبا")
    assert notes == (
        "Windows-1252, Western Europe has no 'م', so the file is in UTF-8 (with a BOM)",
    )
    assert out.read_bytes() == (
        "\ufeffid;text;label;score\r\n1;schöne Größe;مرحبا;0.5\r\n".encode()
    )  # fmt: skip


def test_a_file_that_is_gone_is_written_plainly_and_said(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b"id;text\n1;a\n")
    with RecordWriter(out, source=source) as writer:
        writer.write({"id": "1", "text": "a", "label": "x"})
        source.unlink()
        writer.finish()
    assert "cannot be read any more" in writer.notes[0]
    assert out.read_bytes() == b"id,text,label\r\n1,a,x\r\n"


def test_another_format_is_plain_and_excel_can_open_its_csv(tmp_path: Path) -> None:
    source = ods(tmp_path / "in.ods", [["id", "text"], ["1", "schön"]])
    back(source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (
        "\ufeffid,text,label,score\r\n1,schön,warm,0.5\r\n".encode()
    )
    back(tmp_path / "out.csv", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_bytes().startswith(b"id\ttext\tlabel")


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_a_new_workbook_holds_texts_as_texts(suffix: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / f"out{suffix}"
    text = "=1+1, two  spaces and\nlines"
    source.write_text(f'id,text\n00123,"{text}"\n', newline="")
    back(source, out)
    assert list(stream_records(out)) == [
        {"id": "00123", "text": text, "label": "warm", "score": "0.5"}
    ]


def book(path: Path) -> Path:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "Answers"
    day = datetime.datetime(2026, 1, 31)
    for row in (["Survey"], ["Nr", "text", "day", "sum"], ["00123", "a", day, "=1+1"], [],
                [1234567890123456, "b", day, 2], [3, "c", day, 0.1]):  # fmt: skip
        sheet.append(row)
    sheet["A2"].font = Font(bold=True)
    sheet["D2"].font = Font(bold=True)
    sheet["A3"].number_format = "@"
    sheet.column_dimensions["B"].width = 40
    sheet.freeze_panes = "A3"
    sheet.merge_cells("A1:C1")
    made.create_sheet("More")["A1"] = "=Answers!A5"
    made.save(path)
    return path


def values(sheet: Any) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_a_workbook_keeps_everything_and_has_new_columns_behind(tmp_path: Path) -> None:
    source, out = book(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    assert back(source, out) == ()
    before = openpyxl.load_workbook(source)["Answers"]
    after = openpyxl.load_workbook(out)["Answers"]
    assert [row[:4] for row in values(after)] == values(before)
    assert [row[4:] for row in values(after)] == [
        [None, None], ["label", "score"], ["warm", 0.5], [None, None], ["warm", 0.5], ["warm", 0.5],
    ]  # fmt: skip
    assert after["E2"].font.bold
    assert after["C3"].number_format == before["C3"].number_format
    assert (after.column_dimensions["B"].width, after.freeze_panes) == (40, "A3")
    assert openpyxl.load_workbook(out)["More"]["A1"].value == "=Answers!A5"


def test_some_rows_of_a_workbook_stand_close_together(tmp_path: Path) -> None:
    source, out = book(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    back(source, out, rows=[2, 3])
    sheet = openpyxl.load_workbook(out)["Answers"]
    assert [row[:2] for row in values(sheet)] == [
        ["Survey", None], ["Nr", "text"], [1234567890123456, "b"], [3, "c"],
    ]  # fmt: skip
    assert sheet["C3"].is_date
    assert "A1:C1" in [str(one) for one in sheet.merged_cells.ranges]
    assert form_of(out).sheets == ("Answers", "More")


def test_a_workbook_that_changed_since_is_not_given_wrong_labels(tmp_path: Path) -> None:
    source, out = book(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    with RecordWriter(out, source=source) as writer:
        for record in stream_records(source):
            writer.write({**record, "label": "x"})
        changed = openpyxl.load_workbook(source)
        changed["Answers"]["B3"] = "other"
        changed.save(source)
        with pytest.raises(DataError, match="changed since; label it again"):
            writer.finish()
    assert not out.exists()


def test_an_open_document_keeps_its_cells_and_has_new_columns_behind(tmp_path: Path) -> None:
    source, out = tmp_path / "in.ods", tmp_path / "out.ods"
    ods(source, [["Nr", "text"], ["00123", "a"], ["7", "same"]], repeated=(3, 1))
    back(source, out)
    assert list(stream_records(out)) == [
        {"Nr": nr, "text": text, "label": "warm", "score": "0.5"}
        for nr, text in (("00123", "a"), *[("7", "same")] * 3)
    ]
    out.unlink()
    back(source, out, rows=[1, 3])
    assert [one["Nr"] for one in stream_records(out)] == ["00123", "7"]
    with zipfile.ZipFile(out) as archive:
        assert archive.infolist()[0].filename == "mimetype"
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED


def test_some_rows_of_a_parquet_file(tmp_path: Path) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    days = [datetime.date(2026, 1, day % 28 + 1) for day in range(3000)]
    pq.write_table(pa.table({"text": [str(n) for n in range(3000)], "day": days}), source)
    back(source, out, rows=[1, 1500, 3000])
    found = pq.read_table(out)
    assert found["text"].to_pylist() == ["0", "1499", "2999"]
    assert found.schema.field("day").type == pa.date32()
    assert found["label"].to_pylist() == ["warm"] * 3


def test_a_text_that_no_cell_holds_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"text\n{'a' * 40_000}\n")
    with pytest.raises(DataError, match=r"holds 32,767 characters.*name the new file \.csv"):
        back(source, tmp_path / "out.xlsx")


def test_a_workbook_that_would_fill_the_memory_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_copy, "MOST_CELLS", 10)
    with pytest.raises(DataError, match=r"3 rows are too many.*name the new file \.csv"):
        back(book(tmp_path / "in.xlsx"), tmp_path / "out.xlsx")

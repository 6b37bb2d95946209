"""Workbooks are read as a person sees them, and none of them ends the process."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path

import openpyxl
import pytest

from edgekit.data.reading import Reading
from edgekit.data.records import form_of, placed_records, stream_records
from edgekit.errors import DataError
from tests.tiny.sheets import ods


def book(path: Path) -> Path:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "Answers"
    for row in (
        ["Survey 2026"],
        [],
        ["Nr", "Text", "Day", None, "Id"],
        [1, "schön\nso", datetime.date(2026, 1, 31), None, 1234567890123456],
        ["00123", "ok", datetime.datetime(2026, 1, 31, 12, 30), None, 1.5],
        [],
        [True, "last", None, "x", None],
    ):
        sheet.append(row)
    sheet.merge_cells("C3:D3")
    made.create_sheet("More").append(["other"])
    made.create_sheet("Hidden").sheet_state = "hidden"
    made.save(path)
    return path


def test_a_workbook_with_a_title(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx")
    found = list(placed_records(path))
    assert [record for _, record in found] == [
        {"Nr": "1", "Text": "schön\nso", "Day": "2026-01-31", "column D": "",
         "Id": "1234567890123456"},
        {"Nr": "00123", "Text": "ok", "Day": "2026-01-31 12:30:00", "column D": "", "Id": "1.5"},
        {"Nr": "TRUE", "Text": "last", "Day": "", "column D": "x", "Id": ""},
    ]  # fmt: skip
    assert found[2][0] == f"{path}: sheet 'Answers', row 7"
    form = form_of(path)
    assert (form.header, form.sheet, form.sheets) == (3, "Answers", ("Answers", "More"))
    assert form.notes()[0] == "read from the sheet 'Answers', not from 'More'"


def test_sheet_and_header_are_chosen(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="file is empty"):
        list(stream_records(path, reading=Reading(sheet="More")))
    with pytest.raises(DataError, match=r"no sheet 'Answer'. Did you mean 'Answers'"):
        list(stream_records(path, reading=Reading(sheet="Answer")))
    first = next(stream_records(path, reading=Reading(header=4)))
    assert first["1"] == "00123"
    with pytest.raises(DataError, match="there is no row 99"):
        list(stream_records(path, reading=Reading(header=99)))


def test_open_documents(tmp_path: Path) -> None:
    rows = [["id", "text"], ["00123", "schön"], ["7", "ja"]]
    path = ods(tmp_path / "a.ods", rows)
    assert list(stream_records(path)) == [
        {"id": "00123", "text": "schön"}, {"id": "7", "text": "ja"},
    ]  # fmt: skip


def test_a_cell_at_the_end_of_the_sheet_is_refused_before_it_fills_the_memory(
    tmp_path: Path,
) -> None:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet["A1"] = "text"
    sheet["XFD1048576"] = "far"
    made.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="reach to row 1,048,576 and column XFD, which is too far"):
        list(stream_records(tmp_path / "a.xlsx"))
    path = ods(tmp_path / "a.ods", [["text"]], repeated=(1048576, 16384))
    with pytest.raises(DataError, match=r"a\.ods"):
        list(stream_records(path))


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_what_is_no_workbook_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    for data in (b"", b"PK\x03\x04", b"text,label\na,b\n"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"a\{suffix}: "):
            list(stream_records(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook><sheets>")
    with pytest.raises(DataError, match=rf"a\{suffix}: "):
        list(stream_records(path))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("content.xml", b" " * 50_000_000)
    with pytest.raises(DataError, match="was not opened"):
        list(stream_records(path))

"""What is written opens in LibreOffice with the same cells; skipped where it is not installed."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.data.test_write_back import back, book
from tests.tiny.sheets import ods

OFFICE = shutil.which("soffice")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed"),
]
# Comma, double quotes, UTF-8, from the first line, cells as shown, a file for each sheet.
CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"


def office(path: Path, kind: str, *, reading: str = "") -> Path:
    """The file as LibreOffice reads it, in another format."""
    out = path.parent / "office"
    command = [
        str(OFFICE), "--headless", f"-env:UserInstallation=file://{path.parent}/profile",
        *([f"--infilter={reading}"] if reading else []), "--convert-to", kind,
        "--outdir", str(out), str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return next(iter(sorted(out.iterdir())))


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize("kept", [None, [2, 3]])
def test_a_workbook_with_new_columns(kept: list[int] | None, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    back(book(tmp_path / "in.xlsx"), out, rows=kept, label="größer مرحبا")
    found = rows(office(out, CSV))
    body = [line for line in found[2:] if any(line)]
    assert found[1] == ["Nr", "text", "day", "sum", "label", "score"]
    assert [line[4:] for line in body] == [["größer مرحبا", "0.5"]] * len(body)
    wanted = [["00123", "a"], ["1234567890123456", "b"], ["3", "c"]]
    assert [line[:2] for line in body][-2:] == wanted[-2:]
    assert len(body) == (3 if kept is None else 2)
    assert all(line[2].startswith("2026-01-31") for line in body)


@pytest.mark.parametrize("kept", [None, [1, 3]])
def test_an_open_document_that_libreoffice_wrote(kept: list[int] | None, tmp_path: Path) -> None:
    made = ods(tmp_path / "in.ods", [["Nr", "text"], ["00123", "a"], ["7", "b"], ["8", "c  d"]])
    source = shutil.move(office(made, "ods"), tmp_path / "theirs.ods")
    out = tmp_path / "out.ods"
    back(source, out, rows=kept, label="größer مرحبا")
    wanted = [["00123", "a"], ["7", "b"], ["8", "c  d"]]
    assert rows(office(out, CSV)) == [
        ["Nr", "text", "label", "score"],
        *([*wanted[number - 1], "größer مرحبا", "0.5"] for number in kept or (1, 2, 3)),
    ]


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_a_new_workbook(suffix: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / f"out{suffix}"
    source.write_text("id,text\n00123,=1+1\n", encoding="utf-8")
    back(source, out)
    assert rows(office(out, CSV)) == [
        ["id", "text", "label", "score"], ["00123", "=1+1", "warm", "0.5"],
    ]  # fmt: skip


def test_a_csv_in_another_encoding(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes('Nr;text\r\n00123;"größer; ja"\r\n'.encode("cp1252"))
    back(source, out, label="wärmer")
    # Semicolons, double quotes, Windows-1252, all columns as texts.
    made = office(out, CSV, reading="CSV:59,34,1,1,1/2/2/2/3/2/4/2")
    assert rows(made) == [
        ["Nr", "text", "label", "score"], ["00123", "größer; ja", "wärmer", "0.5"],
    ]  # fmt: skip

"""Walks with the files that offices have: opened, and read otherwise where the guess is wrong."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from edgekit_tui import i18n
from edgekit_tui.corrections import Corrections
from edgekit_tui.found import look
from edgekit_tui.screens.file import ColumnScreen
from textual.pilot import Pilot
from textual.widgets import DataTable

from edgekit.data.rows import read_rows
from tests.tui.scripted import found, make_app, settle, shown, until
from tests.tui.test_walk_file import Snapshot, to_results

WORDS = ("turn the light on", "a song please", "heating up", "the lamp")


async def columns(pilot: Pilot[None], name: str) -> ColumnScreen:
    """From Home to the first rows of a table in the working folder."""
    await settle(pilot)
    await pilot.press("4")
    await settle(pilot)
    await pilot.press(*name, "enter")
    await settle(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, ColumnScreen)
    return screen


def cells(screen: ColumnScreen) -> list[str]:
    table = screen.query_one(DataTable)
    return [str(one) for row in range(table.row_count) for one in table.get_row_at(row)]


def book(path: Path) -> Path:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "Answers"
    for row in (["Survey 2026"], ["Nr", "said"], *([n, text] for n, text in enumerate(WORDS))):
        sheet.append(row)
    more = made.create_sheet("More")
    for row in (["Nr", "other"], [1, "the lamp of another sheet"]):
        more.append(row)
    made.save(path)
    return path


async def test_a_workbook_with_a_title_line_is_labelled() -> None:
    book(Path("survey.xlsx"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        screen = await columns(pilot, "survey")
        assert "sheet Answers · columns named in line 2" in shown(pilot.app, "#form")
        assert cells(screen)[:2] == ["0", "turn the light on"]
        await pilot.press("t")
        await settle(pilot)
        assert cells(screen) == ["1", "the lamp of another sheet"]
        await pilot.press("t")
        await settle(pilot)
        await pilot.press("h")
        await settle(pilot)
        assert "line 3" in shown(pilot.app, "#form")
        assert cells(screen)[:2] == ["1", "a song please"]
        for _ in range(3):
            await pilot.press("h")
            await settle(pilot)
        assert "line 2" in shown(pilot.app, "#form")
        await pilot.press("enter")
        results = await to_results(pilot)
        assert [row.text for row in results._rows] == list(WORDS)


async def test_a_csv_in_another_encoding_says_the_guess_which_can_be_changed() -> None:
    text = 'sep=;\r\nNr;said\r\n1;größer, lamp\r\n2;"zwei\r\nZeilen"\r\n'
    Path("old.csv").write_bytes(text.encode("cp1252"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        screen = await columns(pilot, "old")
        assert shown(pilot.app, "#form").strip() == "letters read as Windows-1252, a guess"
        assert cells(screen)[1] == "größer, lamp"
        seen = []
        for _ in range(20):
            await pilot.press("c")
            await settle(pilot)
            seen.append(shown(pilot.app, "#form").split(" · ")[0].strip())
            if "a guess" in seen[-1]:
                break
        assert "Windows-1251" in seen
        assert "a guess" in seen[-1], "as it was found after the last"
        await pilot.press("c", "c")
        await settle(pilot)
        assert cells(screen)[1] != "größer, lamp"
        await pilot.press("enter")
        results = await to_results(pilot)
        assert results._rows[0].text == cells(screen)[1]


async def test_excels_unicode_text_is_labelled() -> None:
    Path("text.txt").write_bytes("Nr\tsaid\r\n1\tschön, lamp\r\n2\tيا سلام\r\n".encode("utf-16"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        screen = await columns(pilot, "text")
        assert cells(screen) == ["1", "schön, lamp", "2", "يا سلام"]
        await pilot.press("enter")
        results = await to_results(pilot)
        assert [row.text for row in results._rows] == ["schön, lamp", "يا سلام"]


async def export(pilot: Pilot[None], *keys: str) -> str:
    """Writes what the screen suggests; returns what is then said."""
    await pilot.press("e")
    await settle(pilot)
    await pilot.press(*keys, "enter")
    await settle(pilot)
    return shown(pilot.app, "#notice").replace("\n", " ")


async def correct(pilot: Pilot[None], rows: int) -> None:
    await pilot.press("r")
    await settle(pilot)
    for _ in range(rows):
        await pilot.press("2")
        await settle(pilot)
    await pilot.press("escape")
    await settle(pilot)


async def test_a_workbook_goes_back_as_it_came_with_corrected_labels() -> None:
    source = book(Path("survey.xlsx"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await columns(pilot, "survey")
        await pilot.press("enter")
        results = await to_results(pilot)
        await correct(pilot, 2)
        known = Corrections(results.job.name).all()
        assert len(known) == 2
        assert "4 rows were written" in await export(pilot)
        sheet = openpyxl.load_workbook("survey-labelled.xlsx")["Answers"]
        before = openpyxl.load_workbook(source)["Answers"]
        written = [[cell.value for cell in row] for row in sheet.iter_rows()]
        assert [row[:2] for row in written] == [
            [c.value for c in row] for row in before.iter_rows()
        ]
        assert written[1][2:] == ["label", "score", "abstained", "label_model", "corrected"]
        for row in written[2:]:
            assert row[2] == known.get(row[1], row[5])
            assert row[6] is (row[1] in known)


async def test_only_the_rows_of_a_filter_are_written_or_all() -> None:
    text = "sep=;\r\nNr;said\r\n" + "".join(f"{n};{WORDS[n % 4]} ö\r\n" for n in range(8))
    Path("old.csv").write_bytes(text.encode("cp1252"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await columns(pilot, "old")
        await pilot.press("enter")
        await to_results(pilot)
        await pilot.press("slash", *"song", "enter")
        await settle(pilot)
        await pilot.press("e")
        await settle(pilot)
        assert "Write these 2 rows only, with their labels, to:" in shown(pilot.app, "#lead")
        await pilot.press("enter")
        await settle(pilot)
        lines = Path("old-labelled.csv").read_bytes().decode("cp1252").split("\r\n")
        assert lines[:2] == ["sep=;", "Nr;said;label;score;abstained"]
        assert [line.split(";")[:2] for line in lines[2:-1]] == [
            ["1", "a song please ö"], ["5", "a song please ö"],
        ]  # fmt: skip
        said = await export(pilot, "f2")
        assert "8 rows were written" in said
        assert len(Path("old-labelled-2.csv").read_bytes().splitlines()) == 10


async def test_what_the_files_encoding_lacks_is_said() -> None:
    Path("old.csv").write_bytes("Nr;said\r\n1;größer, lamp\r\n".encode("cp1252"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await columns(pilot, "old")
        await pilot.press("enter")
        results = await to_results(pilot)
        Corrections(results.job.name).set("größer, lamp", "شغل")
        said = await export(pilot)
        assert "so the file is in UTF-8" in said
        assert Path("old-labelled.csv").read_text("utf-8-sig").splitlines()[1].startswith(
            "1;größer, lamp;شغل;"
        )  # fmt: skip


async def test_the_results_outlive_the_file_that_was_labelled() -> None:
    Path("old.csv").write_bytes("Nr;said\r\n1;größer, lamp\r\n".encode("cp1252"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await columns(pilot, "old")
        await pilot.press("enter")
        await to_results(pilot)
        Path("old.csv").unlink()
        said = await export(pilot)
        assert "is not there any more" in said
        assert Path("old-labelled.csv").read_text().startswith("Nr,said,label")


async def test_corrections_are_saved_as_rows_to_train_on_and_home_says_what_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, snapshot: Snapshot
) -> None:
    (tmp_path / "stick" / "EDGEKIT_DATA").mkdir(parents=True)
    drive = tmp_path / "stick" / "EDGEKIT_DATA"
    monkeypatch.setattr("edgekit_tui.found.drives", lambda: [drive])
    book(Path("survey.xlsx"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await columns(pilot, "survey")
        await pilot.press("enter")
        results = await to_results(pilot)
        assert results.check_action("corrections", ()) is False
        await correct(pilot, 2)
        known = Corrections(results.job.name).all()
        await pilot.press("c")
        await settle(pilot)
        assert "as rows to train on" in shown(pilot.app, "#lead")
        await pilot.press("enter")
        await settle(pilot)
        assert "2 rows were written to" in shown(pilot.app, "#notice").replace("\n", " ")
        rows = read_rows(Path("tiny-intents-corrected.csv"))
        assert {row.text: row.label for row in rows} == known
        Corrections(results.job.name).set("one more", "heat")
        while len(pilot.app.screen_stack) > 2:
            await pilot.press("escape")
            await settle(pilot)
        assert "Save 1 corrected label of tiny-intents" in shown(pilot.app, "#waiting")
        await snapshot(pilot)
        await pilot.press("c")
        await settle(pilot)
        await pilot.press("f3", "enter")
        await settle(pilot)
        assert len(read_rows(drive / "tiny-intents-corrected.csv")) == 3
        assert not pilot.app.screen.query_one("#waiting").display


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", "2 champs, mais l’en-tête nomme 1 colonnes"),
        ("sw", "sehemu 2, lakini kichwa kinataja safu wima 1"),
        ("en", "2 fields, but the header names 1 columns"),
    ],
)
async def test_a_file_that_cannot_be_read_is_said_in_the_language_of_the_app(
    language: str, said: str
) -> None:
    Path("odd.csv").write_text("said\nlamp, please\n", encoding="utf-8")
    async with make_app([found()], values={"language": language}).run_test(size=(80, 24)) as pilot:
        await columns(pilot, "odd")
        await until(pilot, lambda: pilot.app.screen.query_one("#notice").display)
        assert said in " ".join(shown(pilot.app, "#notice").split())


def test_an_artifact_that_is_none_says_so_in_the_language_of_the_app(tmp_path: Path) -> None:
    i18n.choose("es")
    try:
        assert "no existe esa carpeta" in look(tmp_path / "gone").wrong
    finally:
        i18n.choose("en")

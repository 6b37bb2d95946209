"""Walks with the files that offices have: opened, and read otherwise where the guess is wrong."""

from __future__ import annotations

from pathlib import Path

import openpyxl
from edgekit_tui.screens.file import ColumnScreen
from textual.pilot import Pilot
from textual.widgets import DataTable

from tests.tui.scripted import found, make_app, settle, shown
from tests.tui.test_walk_file import to_results

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
        assert "letters read as Windows-1252, a guess" in shown(pilot.app, "#form")
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

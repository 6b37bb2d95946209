"""The pages of a PDF as one text: running heads go, words and sentences are whole."""

from __future__ import annotations

from edgekit.data.page_texts import mended


def page(number: int, body: str) -> str:
    head = "Report on wells" if number % 2 else "Chapter 1: Water"
    return f"{head}\n{body}\n{number}\n"


def test_running_heads_and_page_numbers_go() -> None:
    bodies = [f"{name} was here.\nIt gave.\nThen\n{name} left." for name in "ABCDEFGH"]
    found = mended([page(number + 3, body) for number, body in enumerate(bodies)])
    assert [text.strip() for text in found] == bodies


def test_what_only_looks_like_a_running_head_stays() -> None:
    years = (1990, 1985, 2001, 1877)
    pages = [f"In {year} it rained.\nMuch.\nIn May {year * 7} drops fell." for year in years]
    assert mended(pages) == pages
    notes = ["Note\nfirst\nsecond\nthird", "Note\nfourth\nfifth\nsixth"]
    assert mended(notes) == notes, "two pages are no run"
    assert mended(["7", "8", "9", "10"]) == ["7", "8", "9", "10"], "a page is more than its number"


def test_words_that_a_line_broke_are_whole() -> None:
    assert mended(["the DER en-\ncoding of it"]) == ["the DER encoding\nof it"]
    assert mended(["with Jean-\nPaul, then"]) == ["with Jean-Paul,\nthen"]
    assert mended(["a well-known and well-\nknown, place"]) == [
        "a well-known and well-known,\nplace"
    ]
    assert mended(["com\u00ad\nplete"]) == ["complete"]
    assert mended(["1998-\n1999 and A -\nb"]) == ["1998-\n1999 and A -\nb"]

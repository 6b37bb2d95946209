"""Right-to-left text: each line is turned for the eye; columns, styles and what is stored stay."""

from __future__ import annotations

import pytest
from bidi.algorithm import get_display
from edgekit_tui import bidi
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

BLACK = Color(0, 0, 0)
HEBREW = "שלום"


def turned(*segments: Segment, base: str = "L") -> list[Segment]:
    return bidi.RightToLeft(base).apply(list(segments), BLACK)


def letters(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def test_text_without_such_letters_is_not_touched() -> None:
    line = [Segment("plain › text")]
    assert bidi.RightToLeft().apply(line, BLACK) is line


def test_a_word_is_turned_and_numbers_and_brackets_are_right() -> None:
    assert letters(turned(Segment(f"ab {HEBREW} 12"))) == "ab 12 םולש"
    assert letters(turned(Segment(f"({HEBREW})"), base="R")) == "(םולש)"


def test_styles_go_with_their_letters() -> None:
    bold, plain = Style(bold=True), Style()
    segments = turned(Segment(HEBREW[:1], bold), Segment(HEBREW[1:], plain))
    assert [(s.text, s.style) for s in segments] == [("םול", plain), ("ש", bold)]


def test_columns_of_a_table_stay_where_they_are() -> None:
    line = f"{HEBREW}  12%  {HEBREW} ab  end"
    shown = letters(turned(Segment(line)))
    assert shown.index("12%") == line.index("12%")
    assert shown.endswith("  end")
    assert letters(turned(Segment(f"▌ {HEBREW} "), base="R")).startswith("▌ ")


def test_marks_stay_on_their_letters() -> None:
    assert letters(turned(Segment("שָׁ"))) == "שָׁ"
    assert letters(turned(Segment("בּא"))) == "אבּ"


def test_arabic_letters_join() -> None:
    assert bidi.join("بيت") == "\ufe91\ufef4\ufe96"
    assert bidi.join("دار") == "\ufea9\ufe8d\ufead", "these do not join to their left"
    assert bidi.join("ab") == "ab"


@pytest.mark.parametrize("base", ["L", "R"])
@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("~/data/a.csv", "~/data/a.csv"),
        (f"/usr/{HEBREW}/b.txt", "/usr/םולש/b.txt"),
        (f"~/{HEBREW}.csv", "~/םולש.csv"),
        (f"C:\\a\\{HEBREW}\\b.txt", "C:\\a\\םולש\\b.txt"),
        (f"out/{HEBREW}", "out/םולש"),
    ],
)
def test_a_path_reads_from_left_to_right(path: str, wanted: str, base: str) -> None:
    assert letters(turned(Segment(f"{HEBREW} {path} {HEBREW}."), base=base)) == (
        f".םולש {wanted} םולש"
    )
    assert wanted in letters(turned(Segment(f"It is in {path}. Open {HEBREW} there."), base=base))


def test_a_full_stop_stands_where_the_sentence_ends_whatever_the_interface() -> None:
    for base in ("L", "R"):
        assert letters(turned(Segment(f"{HEBREW} {HEBREW}."), base=base)) == ".םולש םולש"
    assert letters(turned(Segment(f"The name is {HEBREW}."), base="L")) == "The name is םולש."
    assert letters(turned(Segment(f"{HEBREW} is a word of peace."), base="L")) == (
        "םולש is a word of peace."
    )


@given(st.text(st.sampled_from("ab 12.-אבג"), min_size=1, max_size=30))
def test_the_order_is_that_of_the_algorithm(text: str) -> None:
    order = bidi.visual_order(text, "L")
    assert sorted(place for place, _shape in order) == list(range(len(text)))
    stripped = text.rstrip()  # trailing space goes to the end by rule L1, which the app need not
    shown = (
        "".join(shape or stripped[place] for place, shape in bidi.visual_order(stripped, "L"))
        if stripped
        else ""
    )
    assert shown == get_display(stripped, base_dir="L")


@given(st.text(st.sampled_from("ab 1שלבتيم\u0301.()"), max_size=40))
def test_widths_never_change(text: str) -> None:
    assert cell_len(letters(turned(Segment(text)))) == cell_len(text)


@pytest.mark.parametrize(
    ("setting", "variables", "turns"),
    [
        ("app", {"MLTERM": "3"}, True),
        ("terminal", {}, False),
        ("off", {}, False),
        ("auto", {}, True),
        ("auto", {"KONSOLE_VERSION": "220401"}, False),
        ("auto", {"TERM_PROGRAM": "Apple_Terminal"}, False),
    ],
)
def test_who_turns(
    setting: str, variables: dict[str, str], turns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KONSOLE_VERSION", "MLTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert bidi.here_turns(setting) is turns

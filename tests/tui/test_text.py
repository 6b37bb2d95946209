"""The sanitizer and the last gate: nothing that a terminal would obey comes through."""

from __future__ import annotations

import re

import pytest
from edgekit_tui.filters import Encodable, Harmless, NoColour
from edgekit_tui.text import cell, clean, content, one_line
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tests.tui.hostile import HOSTILE

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NEEDED = "न\u200dक 👩\u200d🌾 می\u200cخواهم é\u0301\n\tend"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_sequence_goes_whole_and_letters_stay(text: str) -> None:
    assert clean(f"before {text}").startswith("before")
    assert not OBEYED.search(clean(text))
    assert "SECRET" not in clean(text), "what stands inside a sequence is no text"


def test_what_scripts_need_stays() -> None:
    assert clean(_NEEDED) == _NEEDED
    assert content("[red]x[/red] [/nothing]").plain == "[red]x[/red] [/nothing]"
    assert one_line("a\n\tb  c", most=4) == "a b…"
    assert cell("a\x1b[31mb\nc").plain == "ab c"


@given(st.text(st.characters(codec=None, categories=("Cc", "Cf", "Cs", "L", "N"))))
def test_nothing_obeyed_ever_comes_through(text: str) -> None:
    assert not OBEYED.search(clean(text))
    assert clean(clean(text)) == clean(text)
    segments = Harmless().apply([Segment(text)], Color(0, 0, 0))
    shown = "".join(segment.text for segment in segments)
    assert not re.search("[\n\t]|" + OBEYED.pattern, shown)


def test_a_terminal_without_unicode_gets_plain_letters_of_the_same_width() -> None:
    line = "edgekit › 關灯 ━━╸── é “x” …"
    (segment,) = Encodable("ascii").apply([Segment(line)], Color(0, 0, 0))
    assert segment.text.isascii()
    assert cell_len(segment.text) == cell_len(line)
    (segment,) = Encodable("iso-8859-1").apply([Segment("é ›")], Color(0, 0, 0))
    assert segment.text == "é >"


def test_without_colour_what_is_chosen_is_in_reverse() -> None:
    styles = [Style.parse("bold #ff0000 on #000000"), Style.parse("#000000 on #ffffff")]
    plain, chosen = NoColour().apply([Segment("x", style) for style in styles], Color(0, 0, 0))
    assert plain.style == Style.parse("bold default on default not reverse not dim")
    assert chosen.style is not None
    assert chosen.style.reverse

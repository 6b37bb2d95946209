"""Every word on every screen can be read: WCAG AA, in each theme that has colours."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgekit_tui.themes import THEMES
from rich.color import Color

from tests.tui.contrast import contrast, faint
from tests.tui.scripted import found, found_chat, make_app, settle
from tests.tui.test_looks import walked


def test_the_measure_is_wcags() -> None:
    black, white = Color.parse("#000000"), Color.parse("#ffffff")
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, white) == 1
    # The grey that WCAG's own examples give as the lightest on white.
    assert contrast(Color.parse("#767676"), white) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["dark", "light", "contrast"])
async def test_every_word_stands_out(theme: str) -> None:
    Path("letters.csv").write_text("n,text\n1,the lamp\n2,a song\n3,شغل lamp\n", encoding="utf-8")
    app = make_app([found(), found_chat()], values={"theme": theme, "language": "en"})
    seen: set[str] = set()
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        async for _ in walked(pilot):
            seen |= {f"{type(app.screen).__name__}: {words}" for words in faint(app)}
    assert not seen, "\n".join(sorted(seen))


def test_high_contrast_shows_what_is_selected() -> None:
    high = next(theme for theme in THEMES if theme.name == "contrast")
    cursor, background = high.variables["block-cursor-background"], high.background
    assert background is not None
    assert contrast(Color.parse(cursor), Color.parse(background)) >= 3  # criterion 1.4.11

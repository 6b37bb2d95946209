"""What an answer looks like: harmless, as it was written, however it came."""

from __future__ import annotations

import pytest
from edgekit_tui.history import Turn
from edgekit_tui.text import clean
from edgekit_tui.widgets.turns import ModelTurn
from textual.app import App
from textual.widgets import Markdown

from tests.tui.chat_walking import SMALL, open_chat, say
from tests.tui.hostile import HOSTILE
from tests.tui.scripted import ScriptedModel, found_chat, make_app, make_chat_manifest, seen, settle


async def test_no_answer_commands_the_terminal_however_it_is_cut() -> None:
    async with App[None]().run_test(size=(40, 100)) as pilot:
        for text in HOSTILE:
            turn = ModelTurn()
            await pilot.app.mount(turn)
            for end in (1, 2, 3, len(text) // 2, len(text) - 1, len(text)):
                await turn.grow(f"before {text[:end]}")
            assert turn.query_one(Markdown).source == clean(f"before {text}")
        await pilot.pause()
        assert seen(pilot.app).count("before") == len(HOSTILE)
        assert "SECRET" not in seen(pilot.app)


async def test_html_is_shown_as_it_was_written_and_links_lead_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    model = ScriptedModel(make_chat_manifest())
    model.reply = ("<div>\nshown\n</div>\n\n", "and <b>this</b> [too](http://x.invalid)")
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        monkeypatch.setattr(app, "open_url", opened.append)
        await say(pilot, "hello")
        assert "<div>" in seen(app)
        assert "<b>this</b>" in seen(app)
        lines = seen(app).splitlines()
        row = next(row for row, line in enumerate(lines) if "<b>" in line)
        await pilot.click(offset=(lines[row].index("too") + 1, row))
        await settle(pilot)
    assert opened == [], "nothing leaves this computer"


async def test_an_answer_looks_as_if_it_had_come_at_once() -> None:
    text = "1. one\n2. two\n   - deep\n\n> said\n> more\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n# End"
    turn = Turn(1, "assistant", text, "stop")
    async with App[None]().run_test(size=(40, 60)) as pilot:
        grown, whole = ModelTurn(), ModelTurn(turn)
        await pilot.app.mount_all([grown, whole])
        for end in range(0, len(text), 3):
            await grown.grow(text[:end])
        await grown.grow("of another beginning")
        assert grown.query_one(Markdown).source == "of another beginning"
        await grown.finish(turn)
        await pilot.pause()
        lines = seen(pilot.app).rstrip().splitlines()
        assert grown.size == whole.size
        height = grown.size.height
        assert lines[:height] == [*lines[height:], *[""] * (2 * height - len(lines))]

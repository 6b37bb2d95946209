"""A notice takes lines, never columns: the page beside it stays as wide as it was."""

from __future__ import annotations

import pytest
from edgekit_tui.widgets.notice import Notice

from tests.tui.scripted import found, found_chat, make_app, settle

LONG = "A sentence that says something rather long, for example of a file that cannot be read. "


@pytest.mark.parametrize("keys", [
    [], ["1"], ["2"], ["a"], ["s"], ["b"], ["comma"], ["i"], ["1", "ctrl+t"],
])  # fmt: skip
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_notice_leaves_the_page_as_wide_as_it_was(
    keys: list[str], size: tuple[int, int]
) -> None:
    async with make_app([found(), found_chat()]).run_test(size=size) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        notice = pilot.app.screen.query(Notice).first()
        others = [one for one in pilot.app.screen.query("*") if one is not notice]
        before = [one.size.width for one in others]
        notice.say(LONG * 2)
        await pilot.pause()
        assert [one.size.width for one in others] == before

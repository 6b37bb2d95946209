"""The app's Classify page with an artifact whose texts may have several labels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from edgekit_tui.widgets.scores import Scores
from textual.app import App, ComposeResult

SCORES = {"heat": 0.91, "light": 0.72, "music": 0.08}


class Page(App[None]):
    def __init__(self, given: Sequence[str] | None) -> None:
        super().__init__()
        self.given = given

    def compose(self) -> ComposeResult:
        yield Scores()

    def on_mount(self) -> None:
        self.query_one(Scores).show(SCORES, given=self.given)


@pytest.mark.parametrize(
    ("given", "first"), [(["heat", "light"], "heat, light"), ([], "–"), (["music"], "music")]
)
async def test_what_was_given_stands_above_every_labels_own_score(
    given: list[str], first: str
) -> None:
    app = Page(given)
    async with app.run_test(size=(60, 12)):
        lines = app.query_one(Scores).render().plain.splitlines()
    assert lines[0] == first
    assert [line.split()[0] for line in lines[2:]] == list(SCORES)
    assert all("%" in line for line in lines[2:])


async def test_one_label_is_shown_as_before() -> None:
    app = Page(None)
    async with app.run_test(size=(60, 12)):
        lines = app.query_one(Scores).render().plain.splitlines()
    assert lines[0].startswith("heat ")
    assert len(lines) == 5

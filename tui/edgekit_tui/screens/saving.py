"""A screen that saves corrected labels as rows to train on: where to, and what became of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual import on, work

from edgekit_tui import found
from edgekit_tui.corrections import ENDINGS, Corrections
from edgekit_tui.i18n import N_, ngettext, number
from edgekit_tui.messages import CorrectionsSaved
from edgekit_tui.screens.page import Page


class SavingPage(Page):
    def save_corrections(self, name: str, folder: Path) -> None:
        """Asks where those of an artifact go; `folder` is suggested, and every drive."""
        lead = N_("Write all labels that you corrected, as rows to train on, to:")
        suggested = folder / f"{name}-corrected{ENDINGS[0]}"
        choices = [(lead, partial(self.save, name))]
        self.edgekit.open_screen("export", suggested, ENDINGS, choices, found.drives())

    @work(thread=True, group="save")
    def save(self, name: str, path: Path) -> None:
        with self.reporting(path):
            self.post_message(CorrectionsSaved(path, Corrections(name).save(path)))

    @on(CorrectionsSaved)
    def take_saved(self, message: CorrectionsSaved) -> None:
        text = ngettext(
            "{count} row was written to {path}; a recipe trains on it with data: train.",
            "{count} rows were written to {path}; a recipe trains on them with data: train.",
            message.rows,
        ).format(count=number(message.rows), path=message.path)
        self.notice(text, kind="hint")

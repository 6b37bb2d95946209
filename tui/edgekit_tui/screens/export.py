"""Export: where to, and under which name; the ending of the name decides the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from textual import on
from textual.widget import Widget
from textual.widgets import Input, Static

from edgekit.tasks.records import READERS
from edgekit_tui.i18n import N_, _
from edgekit_tui.labelling import Job
from edgekit_tui.screens.page import Page
from edgekit_tui.widgets.notice import Notice


class ExportScreen(Page):
    TITLE_TEXT = N_("Export")
    HELP_TEXT = N_(
        "Type where the rows go. The ending of the name decides the format: .csv, .tsv, .jsonl or "
        ".parquet. A file that is there is never overwritten."
    )

    def __init__(self, job: Job, take: Callable[[Path], None]) -> None:
        super().__init__()
        self.job, self._take = job, take

    def body(self) -> Iterable[Widget]:
        yield Static(_("Write all rows with their labels to:"), classes="lead", markup=False)
        yield Input(str(self._suggested()), id="path", select_on_focus=False)
        yield Static(
            _("Formats: {formats}").format(formats=" ".join(READERS)), classes="muted", markup=False
        )
        yield Notice(id="notice")

    def fill(self) -> None:
        self.query_one("#path").focus()

    def _suggested(self) -> Path:
        """Beside the input, with a name that is free."""
        source = self.job.source
        for number in range(1, 1000):
            again = "" if number == 1 else f"-{number}"
            path = source.with_name(f"{source.stem}-labelled{again}{source.suffix}")
            if not path.exists():
                return path
        return source.with_name(f"{source.stem}-labelled{source.suffix}")

    @on(Input.Submitted)
    def chosen(self, event: Input.Submitted) -> None:
        path = Path(event.value).expanduser().absolute()
        notice = self.query_one("#notice", Notice)
        if path.suffix.lower() not in READERS:
            formats = " ".join(READERS)
            notice.say(_("The name must end in one of: {formats}").format(formats=formats))
        elif path.exists():
            notice.say(_("{path} exists; choose another name.").format(path=path))
        elif not path.parent.is_dir():
            notice.say(_("There is no folder {path}.").format(path=path.parent))
        else:
            self.app.pop_screen()
            self._take(path)

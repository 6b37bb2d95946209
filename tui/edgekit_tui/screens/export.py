"""Export: where to, and under which name; the suffix of the name decides the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from edgekit_tui.i18n import N_, _
from edgekit_tui.screens.page import Page
from edgekit_tui.text import path_text
from edgekit_tui.widgets.notice import Notice


class ExportScreen(Page):
    TITLE_TEXT = N_("Export")
    HELP_TEXT = N_(
        "Type where it goes. The ending of the name decides the format; those that can be written "
        "are shown. A file that is there is never overwritten."
    )

    def __init__(
        self, lead: str, suggested: Path, endings: Sequence[str], take: Callable[[Path], None]
    ) -> None:
        """`lead` says what is written; `suggested` gets a number where such a file exists."""
        super().__init__()
        self._lead, self._suggested, self._endings = lead, suggested, endings
        self._take = take

    def body(self) -> Iterable[Widget]:
        yield Static(_(self._lead), classes="lead", markup=False)
        yield _Name(path_text(_free(self._suggested)), id="path", select_on_focus=False)
        yield Static(
            _("Formats: {formats}").format(formats=" ".join(self._endings)),
            classes="muted", markup=False,
        )  # fmt: skip
        yield Notice(id="notice")

    def fill(self) -> None:
        name = self.query_one("#path", Input)
        name.focus()
        name.action_end()  # the end of a long path is what matters

    @on(Input.Submitted)
    def chosen(self, event: Input.Submitted) -> None:
        path = Path(event.value).expanduser().absolute()
        notice = self.query_one("#notice", Notice)
        if path.suffix.lower() not in self._endings:
            formats = " ".join(self._endings)
            notice.say(_("The name must end in one of: {formats}").format(formats=formats))
        elif path.exists():
            notice.say(_("{path} exists; choose another name.").format(path=path))
        elif not path.parent.is_dir():
            notice.say(_("There is no folder {path}.").format(path=path.parent))
        else:
            self.app.pop_screen()
            self._take(path)


class _Name(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", N_("Write it"), id="export.write")
    ]


def _free(path: Path) -> Path:
    """The path, or one with a number that no file has."""
    numbers = (f"-{number}" for number in range(2, 1000))
    names = (path.with_name(f"{path.stem}{again}{path.suffix}") for again in ("", *numbers))
    return next((name for name in names if not name.exists()), path)

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

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "other", N_("Other rows"), id="export.other"),
        Binding("f3", "folder", N_("Onto a drive"), id="export.folder"),
    ]

    def __init__(
        self,
        suggested: Path,
        endings: Sequence[str],
        choices: Sequence[tuple[str, Callable[[Path], None]]],
        folders: Sequence[Path] = (),
    ) -> None:
        """Each of `choices` says what is written, and writes it; the first is taken unless another
        is asked for. `suggested` gets a number where such a file exists; `folders` are others that
        it could go to."""
        super().__init__()
        self._suggested, self._endings = suggested, endings
        self._choices, self._chosen = choices, 0
        self._folders = [suggested.parent, *folders]

    def body(self) -> Iterable[Widget]:
        yield Static("", id="lead", classes="lead", markup=False)
        yield _Name(path_text(_free(self._suggested)), id="path", select_on_focus=False)
        yield Static(
            _("Formats: {formats}").format(formats=" ".join(self._endings)),
            classes="muted", markup=False,
        )  # fmt: skip
        yield Notice(id="notice")

    def fill(self) -> None:
        self._say_what()
        name = self.query_one("#path", Input)
        name.focus()
        name.action_end()  # the end of a long path is what matters

    def _say_what(self) -> None:
        self.query_one("#lead", Static).update(_(self._choices[self._chosen][0]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "folder":
            return len(self._folders) > 1
        return len(self._choices) > 1 if action == "other" else True

    def action_folder(self) -> None:
        """The next place that the file could go to."""
        name = self.query_one("#path", Input)
        typed = Path(name.value).name
        # A number was for a file in the other folder.
        own = self._suggested.name if typed == _free(self._suggested).name else typed
        self._folders.append(self._folders.pop(0))
        name.value = path_text(_free(self._folders[0] / own))
        name.action_end()

    def action_other(self) -> None:
        self._chosen = (self._chosen + 1) % len(self._choices)
        self._say_what()

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
            self._choices[self._chosen][1](path)


class _Name(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", N_("Write it"), id="export.write")
    ]


def _free(path: Path) -> Path:
    """The path, or one with a number that no file has."""
    numbers = (f"-{number}" for number in range(2, 1000))
    names = (path.with_name(f"{path.stem}{again}{path.suffix}") for again in ("", *numbers))
    return next((name for name in names if not name.exists()), path)

"""Picks a file or folder: a path to type, and the names in it to walk through."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui.i18n import N_, _, ngettext, number, size
from edgekit_tui.text import one_line, path_text

MOST_NAMES = 500
Accept = Callable[[Path], bool]
"""Whether a path may be picked. Folders that may not can still be opened."""


class PathInput(Input):
    """The arrow keys walk through the names below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", N_("Open"), id="picker.open"),
        Binding("up", "walk(-1)", show=False),
        Binding("down", "walk(1)", show=False),
        Binding("pageup", "walk(-10)", show=False),
        Binding("pagedown", "walk(10)", show=False),
    ]

    def action_walk(self, by: int) -> None:
        self.post_message(Walk(by))


@dataclass
class Walk(Message):
    by: int


class Picker(Vertical):
    @dataclass
    class Picked(Message):
        path: Path

    def __init__(self, start: Path, accept: Accept, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._start = start
        self._accept = accept
        self._names: list[Path] = []

    def compose(self) -> ComposeResult:
        yield PathInput(_as_typed(self._start), select_on_focus=False)
        yield OptionList(markup=False)
        yield Static("", classes="muted", markup=False)

    def on_mount(self) -> None:
        self.query_one(PathInput).cursor_position = len(_as_typed(self._start))
        self._list()

    @property
    def folder(self) -> Path:
        """The folder whose names are shown."""
        return _split(self.query_one(PathInput).value)[0]

    def focus_path(self) -> None:
        self.query_one(PathInput).focus()

    @on(Input.Changed)
    def _list(self) -> None:
        folder, begin = _split(self.query_one(PathInput).value)
        names, note = self._read(folder, begin)
        self._names = names
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(Option(_describe(path)) for path in names)
        if names:
            options.highlighted = 0 if begin or len(names) == 1 else 1
        self.query_one(Static).update(note)

    def _read(self, folder: Path, begin: str) -> tuple[list[Path], str]:
        try:
            with os.scandir(folder) as entries:
                paths = [
                    Path(entry.path)
                    for entry in entries
                    if begin.lower() in entry.name.lower()
                    and (begin.startswith(".") or not entry.name.startswith("."))
                ]
        except OSError as error:
            return [], one_line(f"{folder}: {error.strerror}")
        shown = sorted(
            (path for path in paths if _is_folder(path) or self._accept(path)),
            key=lambda path: (not _is_folder(path), path.name.lower()),
        )
        note = ""
        if len(shown) > MOST_NAMES:
            rest = len(shown) - MOST_NAMES
            note = ngettext("{count} more name", "{count} more names", rest)
            note = note.format(count=number(rest))
        up = [folder / ".."] if not begin else []
        return [*up, *shown[:MOST_NAMES]], note

    def on_walk(self, message: Walk) -> None:
        message.stop()
        options = self.query_one(OptionList)
        if options.option_count:
            place = (options.highlighted or 0) + message.by
            options.highlighted = max(0, min(options.option_count - 1, place))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        typed = Path(event.value).expanduser()
        if not event.value.endswith(os.sep) and typed.is_file() and self._accept(typed):
            self.post_message(self.Picked(typed.resolve()))
        else:
            self._open(self.query_one(OptionList).highlighted)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._open(event.option_index)

    def _open(self, place: int | None) -> None:
        if place is None or place >= len(self._names):
            return
        path = self._names[place]
        if self._accept(path):
            self.post_message(self.Picked(path.resolve()))
        else:
            field = self.query_one(PathInput)
            field.value = _as_typed(path.resolve())
            field.cursor_position = len(field.value)
            field.focus()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _as_typed(folder: Path) -> str:
    return path_text(folder).rstrip(os.sep) + os.sep


def _split(value: str) -> tuple[Path, str]:
    """The folder whose names are shown, and what those must begin with or contain."""
    head, _sep, tail = value.rpartition(os.sep)
    return Path(head + os.sep if head or value.startswith(os.sep) else ".").expanduser(), tail


def _describe(path: Path) -> Content:
    if path.name == "..":
        return Content.assemble(("..", "bold"), ("  " + _("the folder above"), "$muted"))
    name = one_line(path.name, most=60)
    if _is_folder(path):
        return Content.assemble((name + os.sep, "bold"))
    try:
        return Content.assemble(name, ("  " + size(path.stat().st_size), "$muted"))
    except OSError:
        return Content(name)  # it vanished; opening it will say so

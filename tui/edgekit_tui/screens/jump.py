"""Jump: a letter on each widget that takes keys; pressing it goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from edgekit_tui.i18n import N_
from edgekit_tui.screens.overlay import Overlay

# The home row first.
LETTERS = "asdfjklgheruiwotyqpvbncmzx"


class JumpScreen(ModalScreen[Widget | None], Overlay):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", N_("Back"), id="jump.back"),
    ]

    def __init__(self, targets: Sequence[Widget]) -> None:
        super().__init__()
        shown = [target for target in targets if target.region]
        self._targets = dict(zip(LETTERS, shown, strict=False))

    def compose(self) -> ComposeResult:
        for letter, target in self._targets.items():
            sign = Static(f" {letter} ", classes="jump", markup=False)
            sign.styles.offset = (target.region.x, target.region.y)
            yield sign

    def on_key(self, event: Key) -> None:
        if event.character in self._targets:
            event.stop()
            self.dismiss(self._targets[event.character])

"""The line at the bottom: the keys that do something here, each with its label."""

from __future__ import annotations

from textual.binding import Binding
from textual.content import Content
from textual.events import Click
from textual.screen import Screen
from textual.style import Style
from textual.widgets import Input, Static, TextArea

from edgekit_tui.i18n import _

_KEYS = {
    "escape": "esc", "enter": "enter", "space": "space", "slash": "/", "question_mark": "?",
    "delete": "del", "left": "←", "right": "→", "up": "↑", "down": "↓", "comma": ",",
}  # fmt: skip
_MENU = "command_palette"


def key_name(key: str) -> str:
    """`ctrl+p` -> `ctrl p`; spelled as on keyboards, in words a person can say."""
    first = key.split(",")[0]
    return " ".join(_KEYS.get(part, part) for part in first.split("+"))


class KeyBar(Static):
    """Every key also responds to the mouse. Where the line is too short, help and menu have the
    rest."""

    def __init__(self) -> None:
        super().__init__("", markup=False)

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self.call_after_refresh(self.show_keys)

    def on_resize(self) -> None:
        self.show_keys()

    def on_click(self, event: Click) -> None:
        if key := event.style.meta.get("key"):
            self.app.simulate_key(key)

    def _changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen:
            self.call_after_refresh(self.show_keys)

    def show_keys(self) -> None:
        if not self.is_attached:
            return  # for an event that came after the screen was gone
        shown: dict[str, Content] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.description:
                shown.setdefault(binding.action, _key(binding))
        menu = shown.pop(_MENU, None)
        keys = list(shown.values())
        last = [menu] if menu else []
        if _width([*keys, *last]) > self.content_size.width:
            last.append(self._help())
        while keys and _width([*keys, *last]) > self.content_size.width:
            keys.pop()
        self.update(Content("  ").join([*keys, *last]))

    def _help(self) -> Content:
        """The key that shows all keys, alone: where one types, a letter is a letter."""
        typing = isinstance(self.screen.focused, Input | TextArea)
        key = "f1" if typing else "question_mark"
        return Content.styled(key_name(key), "$key bold").stylize(Style.from_meta({"key": key}))


def _key(binding: Binding) -> Content:
    # Not "@click": links have a single colour, but here key and label differ.
    meta = Style.from_meta({"key": binding.key.split(",")[0]})
    return Content.assemble(
        (key_name(binding.key), "$key bold"), " ", (_(binding.description), "$foreground")
    ).stylize(meta)


def _width(keys: list[Content]) -> int:
    return sum(key.cell_length for key in keys) + 2 * max(0, len(keys) - 1)

"""A field for text of any length: nothing at its right edge, since widths of letters differ."""

from __future__ import annotations

from textual.widgets import TextArea


class TextField(TextArea):
    """Tab leaves it."""

    def __init__(self, text: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(
            text,
            placeholder=placeholder,
            id=id,
            compact=True,
            highlight_cursor_line=False,
            tab_behavior="focus",
        )

"""How well the words on a screen stand out from what is behind them, as WCAG 2.2 measures it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.color import Color
from rich.segment import Segment
from textual.app import App

LEAST = 4.5
"""Level AA, success criterion 1.4.3."""


def faint(app: App[Any]) -> list[str]:
    """The words of the screen whose contrast is too low, with their colours and the ratio.

    What lies behind a dialog is dimmed, and cannot be used.
    """
    found = []
    region = app.screen.children[0].region if app.screen.is_modal else app.screen.region
    for strip in app.screen._compositor.render_strips()[region.y : region.bottom]:
        for segment in strip.crop(region.x, region.right):
            if any(letter.isalnum() for letter in segment.text):
                found += _faint(segment)
    return sorted(set(found))


def _faint(segment: Segment) -> Iterator[str]:
    style = segment.style
    if style is None or style.color is None or style.bgcolor is None:
        return  # the terminal's own colours
    ink, paper = style.color, style.bgcolor
    ratio = contrast(ink, paper)
    if ratio < LEAST:
        yield f"{segment.text.strip()!r}: {ink.name} on {paper.name} is {ratio:.2f}"


def contrast(ink: Color, paper: Color) -> float:
    """From 1 to 21."""
    darker, lighter = sorted((_luminance(ink), _luminance(paper)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in color.get_truecolor().normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""Right-to-left text on terminals that write everything from left to right. Display only.

Each line is reordered after wrapping, span by span: columns of a table stay where they are. The
levels come from python-bidi (UAX 9); letters take their joining forms (Arabic presentation forms)
because a terminal that cannot reorder text cannot join reordered letters either. What is stored,
copied and exported keeps its logical order.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from bidi import algorithm, mirror
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

EXPLICIT, IMPLICIT = "\x1b[8l", "\x1b[8h"
"""ECMA-48's bi-directional support mode (BDSM): with EXPLICIT a terminal that reorders text, such
as those on VTE since 0.58, leaves it as it is sent; IMPLICIT is how it is otherwise. Others ignore
both."""
RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
# Borders, bars and gaps: what is on one side of them does not belong with the other.
_APART = re.compile("( {2,}|^ | $| *[\u2500-\u259f]+ *|\t+)")

# A path reads from left to right, whatever the names in it are written in.
_PATH = re.compile(r"(?:~|[A-Za-z]:|[\w.-]+)?(?:[/\\][^\s/\\:·]+)+[/\\]?(?<![.,;!?)])")

Cell = tuple[str, Style | None]
"""A letter with its marks, and its style."""


class RightToLeft(LineFilter):
    """Reorders the lines of a widget. `base` is the direction of the interface, "L" or "R"."""

    def __init__(self, base: str = "L") -> None:
        super().__init__()
        self.base = base

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if not any(RIGHT_TO_LEFT.search(text) for text, _, control in segments if not control):
            return segments
        cells = [cell for segment in segments if not segment.control for cell in _cells(segment)]
        controls = [segment for segment in segments if segment.control]
        return [*controls, *_segments(_reordered(cells, self.base))]


def _cells(segment: Segment) -> Iterator[Cell]:
    return ((cluster, segment.style) for cluster in clusters(segment.text))


def clusters(text: str) -> list[str]:
    """Letters with their combining marks."""
    found: list[str] = []
    for letter in text:
        if found and (unicodedata.combining(letter) or letter == "\u200d"):
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _segments(cells: Sequence[Cell]) -> Iterator[Segment]:
    start = 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or cells[end][1] is not cells[start][1]:
            yield Segment("".join(text for text, _ in cells[start:end]), cells[start][1])
            start = end


def _reordered(cells: list[Cell], base: str) -> list[Cell]:
    text = "".join(cluster[0] for cluster, _ in cells)
    result: list[Cell] = []
    place = 0
    for part in _APART.split(text):
        span = cells[place : place + len(part)]
        place += len(part)
        result += _span(span, part, base) if RIGHT_TO_LEFT.search(part) else span
    return result


def _span(cells: list[Cell], text: str, base: str) -> list[Cell]:
    shapes = join(text)
    base = "R" if base == "L" and _is_right_to_left(text) else base
    return [
        (shapes[place] + cells[place][0][1:] if shape is None else shape + cells[place][0][1:],
         cells[place][1])
        for place, shape in visual_order(text, base)
    ]  # fmt: skip


def _is_right_to_left(text: str) -> bool:
    """Whether a text reads so by itself, wherever it is shown: its full stop is at its left end."""
    strong = [unicodedata.bidirectional(letter) for letter in _PATH.sub("", text)]
    right = sum(kind in ("R", "AL") for kind in strong)
    first = next((kind for kind in strong if kind in ("L", "R", "AL")), "L")
    return first != "L" and right > strong.count("L")


@lru_cache(1024)
def visual_order(text: str, base: str) -> tuple[tuple[int, str | None], ...]:
    """For each column from the left: the index of its letter, and its mirror image if it has one.

    `text` is one line with a code point for each cell. `base` is "L" or "R".
    """
    levels = _levels(text, base)
    order = list(range(len(text)))
    # Rule L2: from the highest level to the lowest odd one, reverse every run at or above it.
    for level in range(max(levels), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = max(end, start + 1)
    mirrored = mirror.MIRRORED
    return tuple(
        (place, mirrored.get(text[place]) if levels[place] % 2 else None) for place in order
    )


def _levels(text: str, base: str) -> list[int]:
    storage = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = algorithm.PARAGRAPH_LEVELS[base], base
    algorithm.get_embedding_levels(text, storage)
    chars = storage["chars"]
    paths = [found.span() for found in _PATH.finditer(text)] if len(chars) == len(text) else []
    # To what is around it, a path is one word from left to right; names in it are turned by
    # themselves.
    names = [
        char for start, end in paths for char in chars[start:end] if char["type"] in ("R", "AL")
    ]
    for start, end in paths:
        for char in chars[start:end]:
            char["type"] = "L"
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    for char in names:
        char["level"] += 1
    levels = [int(char["level"]) for char in storage["chars"]]
    # Embedding marks were removed from the text before; should one be left, nothing is reordered.
    return levels if len(levels) == len(text) else [0] * len(text)


@lru_cache(1024)
def join(text: str) -> str:
    """Arabic letters in the forms that join with their neighbours, in logical order."""
    table = _forms()
    shaped = []
    for place, letter in enumerate(text):
        forms = table.get(letter)
        if forms is None:
            shaped.append(letter)
            continue
        before = place > 0 and "initial" in table.get(text[place - 1], {})
        after = "initial" in forms and place + 1 < len(text) and "final" in table.get(
            text[place + 1], {}
        )  # fmt: skip
        name = {(1, 1): "medial", (1, 0): "final", (0, 1): "initial"}.get((before, after))
        shaped.append(forms.get(name or "isolated", letter))
    return "".join(shaped)


@cache
def _forms() -> dict[str, dict[str, str]]:
    """Letter -> {"isolated", "initial", "medial", "final"} -> form, from Unicode's own tables."""
    table: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFC00), *range(0xFE80, 0xFEF5)):
        kind, _, letters = unicodedata.decomposition(chr(code)).partition(" ")
        if kind.startswith("<") and letters and " " not in letters:
            table.setdefault(chr(int(letters, 16)), {})[kind.strip("<>")] = chr(code)
    return table


# Terminals that reorder text themselves, by a variable that they set.
_TURNING = {"KONSOLE_VERSION", "MLTERM"}
_TURNING_PROGRAMS = {"Apple_Terminal"}


def here_turns(setting: str) -> bool:
    """Whether this app reorders text: set to, or the terminal is not known to do it."""
    if setting != "auto":
        return setting == "app"
    known = _TURNING & os.environ.keys() or os.environ.get("TERM_PROGRAM") in _TURNING_PROGRAMS
    return not known

"""Which rows train, choose and judge: by the names of files, or divided. Knows no model."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.data.linked import Linked
from edgekit.data.records import READERS
from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.recipe.dataset import folded_input

TRAIN, VALIDATION, TEST = "train", "validation", "test"
WORDS = {
    TRAIN: {"train", "training"},
    VALIDATION: {"validation", "valid", "val", "dev"},
    TEST: {"test", "testing"},
}
"""Words in the names of files with such rows."""
SHARES = {TEST: 0.2, VALIDATION: 0.1}
"""Shares of the rows, where no file name assigns them; the proof needs more than the choice."""
TEXTS = (".txt", ".text")


def by_name(files: Sequence[Path]) -> tuple[dict[str, list[Path]], list[Path]]:
    """The tables of each set, and the files of plain texts.

    A single table holds everything, whatever its name: it goes under TRAIN. Raises DataError.
    """
    texts = [path for path in files if path.suffix.lower() in TEXTS]
    tables = [path for path in files if path not in texts]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path}: there is no such file; check the path.")
    if not tables:
        raise DataError(
            f"No file has rows to learn from and to judge by; give a table too "
            f"({', '.join(READERS)})."
        )
    if len(tables) == 1:
        return {TRAIN: tables}, texts
    sets: dict[str, list[Path]] = {}
    for path in tables:
        sets.setdefault(_set_of(path), []).append(path)
    if TRAIN not in sets:
        raise DataError(
            f"None of {', '.join(path.name for path in tables)} is for training by its name; "
            "call one train."
        )
    return {name: sets[name] for name in WORDS if name in sets}, texts


def _set_of(path: Path) -> str:
    parts = set(re.split(r"[^a-z]+", path.stem.lower()))
    found = [name for name, words in WORDS.items() if words & parts]
    if len(found) != 1:
        raise DataError(
            f"{path}: its name does not say whether its rows are for training, validation or test; "
            "put one of train, validation and test into it, or give a single file to be divided."
        )
    return found[0]


def divide(rows: Sequence[Row], shares: Mapping[str, float], *, seed: int) -> dict[str, list[int]]:
    """The numbers of the rows of each set of `shares`, and of all others, which go to TRAIN.

    Rows of one group stay together, as do those with the same text. Each label of each language is
    divided separately, and goes into every set where it has three groups or more; a row with
    several labels counts for the rarest of them.
    """
    counts = Counter((row.language, label) for row in rows for label in row.all_labels)
    strata: defaultdict[tuple[str, str], list[list[int]]] = defaultdict(list)
    for part in _together(rows):
        first = rows[part[0]]
        rarest = min(
            ((counts[first.language, label], label) for label in first.all_labels), default=(0, "")
        )
        strata[first.language or "", rarest[1]].append(part)
    sets: dict[str, list[int]] = {name: [] for name in (TRAIN, *shares)}
    for (language, label), parts in sorted(strata.items()):
        random.Random(f"{seed} {language} {label}").shuffle(parts)
        count = sum(map(len, parts))
        if len(parts) > len(shares):
            for name, share in shares.items():
                taken = _take(parts, share * count)
                sets[name] += [number for part in taken for number in part]
        sets[TRAIN] += [number for part in parts for number in part]
    return {name: sorted(numbers) for name, numbers in sets.items()}


def _take(parts: list[list[int]], wanted: float) -> list[list[int]]:
    """Parts of about this many rows, the smallest where all are larger; at least one is left."""
    taken: list[list[int]] = []
    for part in list(parts):
        room = wanted - sum(map(len, taken))
        if len(part) <= room and len(parts) > 1:
            parts.remove(part)
            taken.append(part)
    if not taken and len(parts) > 1:
        taken.append(min(parts, key=len))
        parts.remove(taken[0])
    return taken


def _together(rows: Sequence[Row]) -> list[list[int]]:
    """Numbers of rows in parts that must not be split between sets: linked by group or by text."""
    first_with: dict[tuple[str, ...], int] = {}
    linked = Linked(len(rows))
    for number, row in enumerate(rows):
        keys: list[tuple[str, ...]] = [("text", *folded_input(row.input))]
        keys += [("group", row.group)] if row.group is not None else []
        for key in keys:
            linked.join(number, first_with.setdefault(key, number))
    parts: dict[int, list[int]] = {}
    for number in range(len(rows)):
        parts.setdefault(linked.root(number), []).append(number)
    return list(parts.values())

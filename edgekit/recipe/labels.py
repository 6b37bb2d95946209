"""Whether the labels of a recipe's rows can be meant as they are written. Knows no model."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from edgekit.errors import DataError

Counts = Mapping[str, Counter[str]]
"""By file, as the recipe names it: how many of its rows carry each label."""


def check_alike(place: str, counts: Counts, known: Sequence[str] = ()) -> None:
    """Asks about labels that differ by spaces or case alone: two classes, or one misspelt?

    `known` are the labels that the model has already: it tells those apart, whatever they look
    like. Raises DataError with both labels, their counts and their files.
    """
    written: dict[str, dict[str, None]] = {}
    for label in (label for own in counts.values() for label in own):
        written.setdefault(_folded(label), {})[label] = None
    for spellings in written.values():
        odd = [label for label in spellings if label not in known]
        if len(spellings) < 2 or not odd:
            continue
        total = Counter({label: sum(own[label] for own in counts.values()) for label in spellings})
        (often, _), *rest = total.most_common()
        seldom = next((label for label, _ in rest if label in odd), often)
        first = often if seldom != often else rest[0][0]
        raise DataError(
            f"{place}: the labels {_told(first, counts)} and {_told(seldom, counts)} differ by "
            "spaces or upper case alone; write both alike if they are one class, or more unlike if "
            "they are two."
        )


def check_classes(place: str, name: str, counts: Counter[str]) -> None:
    """Raises DataError where all rows that train carry one and the same label."""
    if len(counts) != 1:
        return
    [(label, count)] = counts.items()
    raise DataError(
        f"{place}: all {count} rows of data.{name} carry the label '{label}', and a classifier "
        "learns to tell two or more apart; add rows with other labels."
    )


def _folded(label: str) -> str:
    return "".join(unicodedata.normalize("NFKC", label).casefold().split())


def _told(label: str, counts: Counts) -> str:
    """The label with its rows and files: `'Heat' (12 rows in train.csv, 3 in test.csv)`."""
    places = [f"{own[label]:,} in {file}" for file, own in counts.items() if own[label]]
    rows = "row" if sum(own[label] for own in counts.values()) == 1 else "rows"
    first, *rest = places
    told = ", ".join([first.replace(" in ", f" {rows} in ", 1), *rest])
    return f"'{label}' ({told})"

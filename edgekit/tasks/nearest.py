"""The nearest right word for a wrong one. Knows nothing of where words come from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like `word`, or None where none is near."""
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' Did you mean 'x'?' to end a message with; else what is known, if that is short."""
    names = list(known)
    close = nearest(word, names)
    if close is not None:
        return f" Did you mean '{close}'?"
    return f" There is: {', '.join(names)}." if 0 < len(names) <= 12 else ""

"""Finds the word that somebody probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """ " Did you mean 'x'?" if one choice is close, else the choices; "" if there are none."""
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" There are: {', '.join(choices)}." if choices else ""

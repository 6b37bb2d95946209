"""Finds the word that somebody probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from edgekit.errors import told

TEMPLATES = {
    "did-you-mean": " Did you mean '{name}'?",
    "there-are": " There are: {names}.",
}


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """ " Did you mean 'x'?" if one choice is close, else the choices; "" if there are none."""
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return told(TEMPLATES, "did-you-mean", {"name": near[0]})
    return told(TEMPLATES, "there-are", {"names": ", ".join(choices)}) if choices else ""

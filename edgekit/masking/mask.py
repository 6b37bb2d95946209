"""`mask(text)`: the text without what it says of whom. Needs the extra pii; knows no model."""

from __future__ import annotations

import importlib.util

from edgekit.errors import MissingExtra
from edgekit.masking.finding import find
from edgekit.masking.folding import fold

_NEEDS = {"stdnum": "python-stdnum", "phonenumbers": "phonenumbers"}


def mask(text: str) -> str:
    """E-mail addresses, phone numbers, cards, IBANs and national numbers as `[e-mail]`, `[phone]`,
    `[card]`, `[IBAN]` and `[number]`, in the digits of any script; everything else as it was.

    Masking what is masked changes nothing. Names and addresses are not looked for. Raises
    MissingExtra where a package is missing that some of it needs.
    """
    for module, package in _NEEDS.items():
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(package, "pii")
    # What is replaced may uncover what stood too close to it.
    while (masked := _once(text)) != text:
        text = masked
    return text


def _once(text: str) -> str:
    folded = fold(text)
    pieces, at = [], 0
    for one in find(folded.text):
        start, end = folded.original(one.start, one.end)
        pieces += [text[at:start], one.place]
        at = end
    return "".join([*pieces, text[at:]])

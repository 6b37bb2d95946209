"""Numbers that states give to people, known by their checksums. Knows no text around them.

python-stdnum has the rules. A number with one check digit is right by chance once in ten, so those
are here whose checksum is stronger, whose digits hold a date besides, or that are written in groups
of their own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import cast

IsValid = Callable[[str], bool]

DIGITS: dict[str, frozenset[int]] = {
    "bg.egn": frozenset({10}),
    "br.cpf": frozenset({11}),
    "cn.ric": frozenset({18}),
    "de.idnr": frozenset({11}),
    "ee.ik": frozenset({11}),
    "fr.nir": frozenset({15}),
    "gr.amka": frozenset({11}),
    "in_.aadhaar": frozenset({12}),
    "id.nik": frozenset({16}),
    "kr.rrn": frozenset({13}),
    "no.fodselsnummer": frozenset({11}),
    "pl.pesel": frozenset({11}),
    "ro.cnp": frozenset({13}),
    "si.emso": frozenset({13}),
    "tr.tckimlik": frozenset({11}),
    "za.idnr": frozenset({13}),
}
"""Modules of python-stdnum for numbers of digits alone, and how many."""
GROUPED: dict[str, tuple[int, ...]] = {
    "ca.sin": (3, 3, 3),
    "cl.rut": (2, 3, 3, 1),
    "gb.nhs": (3, 3, 4),
    "au.tfn": (3, 3, 3),
}
"""Those with one check digit and no date, and the groups that they have to be written in."""
LETTERS = (
    "br.cnpj",
    "cl.rut",
    "cn.ric",
    "es.dni",
    "es.nie",
    "fi.hetu",
    "fr.nir",
    "ie.pps",
    "in_.pan",
    "it.codicefiscale",
    "ke.pin",
    "mx.curp",
    "pt.cc",
)
"""Those with letters, too."""


def of_digits(digits: str, groups: tuple[int, ...]) -> bool:
    """Whether digits, written in groups of these lengths, are somebody's number."""
    grouped = any(groups == wanted and _valid(name)(digits) for name, wanted in GROUPED.items())
    return grouped or any(
        len(digits) in lengths and _valid(name)(digits) for name, lengths in DIGITS.items()
    )


def of_letters(word: str) -> bool:
    """Whether a word of letters and digits is somebody's number."""
    return any(_valid(name)(word.upper()) for name in LETTERS)


@cache
def _valid(name: str) -> IsValid:
    is_valid = cast("IsValid", importlib.import_module(f"stdnum.{name}").is_valid)

    def valid(number: str) -> bool:
        try:
            return is_valid(number)
        except KeyError:
            # cn.ric: the table of counties has holes, and is asked after checksum and date.
            return True

    return valid

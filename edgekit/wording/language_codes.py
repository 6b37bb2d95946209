"""One spelling for every language, by BCP 47: `pt_br` is `pt-BR`, `Portuguese` is `pt`."""

from __future__ import annotations

import re

from edgekit.wording import directions
from edgekit.wording.language_names import code_of

CODE = r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*"
"""A regular expression that a whole code matches, such as en or pt-BR."""


def normal(code: str) -> str:
    """The code as BCP 47 writes it (RFC 5646, 2.1.1): hyphens; the language in lower case, a script
    like Hans, a region like BR, all else in lower case. An English name is its code. Of a
    direction, both codes. What is none of these stays as it is."""
    bare = code.strip()
    if both := directions.split(bare):
        return directions.direction(*map(normal, both))
    if named := code_of(bare):
        return named
    if not re.fullmatch(CODE, bare):
        return bare
    language, *parts = re.split("[-_]", bare)
    return "-".join([language.lower(), *map(_part, parts)])


def _part(part: str) -> str:
    if part.isalpha() and len(part) == 4:
        return part.title()
    return part.upper() if len(part) == 2 else part.lower()

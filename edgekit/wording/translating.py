"""Says an error's sentence in another language. Knows no sentence: what is not in the language's
catalogue stays in English.

The catalogues are gettext's, by code (`msgctxt`) and English template; a text that no speaker has
confirmed carries the flag `fuzzy`, and is used too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from edgekit.errors import EdgekitError, Told

FOLDER = Path(__file__).parent / "locale"
SOURCE = "en"
LANGUAGES = (SOURCE, "fr", "es", "pt", "ar", "hi", "sw", "zh", "id", "bn")
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def from_environment() -> str:
    """The first language of LANGUAGE, LC_ALL, LC_MESSAGES and LANG that has a catalogue."""
    for name in _VARIABLES:
        for value in os.environ.get(name, "").split(":"):
            code = value.replace("-", "_").partition("_")[0].partition(".")[0].lower()
            if code in LANGUAGES:
                return code
    return SOURCE


def sentence(error: EdgekitError, language: str) -> str:
    """The error's sentence; that of `str` where it has none of its own in this language."""
    return _said(error.sentence, language)


def _said(text: str, language: str) -> str:
    if not isinstance(text, Told) or language == SOURCE:
        return str(text)
    template = catalogue(language).get(text.code)
    if template is None:
        return str(text)
    values = {name: _said(value, language) for name, value in text.values.items()}
    place = f"{text.place}: " if text.place else ""
    return f"{place}{template.format_map(values)}"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """By code, the template in this language."""
    found: dict[str, str] = {}
    context = kind = ""
    for line in (FOLDER / f"{language}.po").read_text(encoding="utf-8").splitlines():
        word, _, quoted = line.partition(" ")
        if word in ("msgctxt", "msgid", "msgstr"):
            kind = word
            context = json.loads(quoted) if kind == "msgctxt" else context
            if kind == "msgstr" and context:
                found[context] = json.loads(quoted)
        elif line.startswith('"') and kind == "msgstr" and context:
            found[context] += json.loads(line)
        elif line.startswith('"') and kind == "msgctxt":
            context += json.loads(line)
        elif not line.strip():
            context = kind = ""
    return {code: template for code, template in found.items() if template}

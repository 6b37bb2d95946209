"""Detects a text's language, by py3langid (BSD-3, 140 languages, no network). Knows no model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

# Little text is enough to detect a language; a book is sampled in a few places.
_CHARACTERS = 4_000
_PLACES = 3
LEAST_CERTAINTY = 0.3
_LEAST_LETTERS = 12
# py3langid's codes, and the ones that everyone else uses.
_NAMES = {"nb": "no", "nn": "no", "fil": "tl", "yue": "zh", "wuu": "zh"}
_NONE = frozenset({"zxx", "und"})


def detect(text: str, *, certainty: float = LEAST_CERTAINTY) -> str | None:
    """The code of a text's language, such as `sw`; None where that is less certain than this."""
    sample = _sample(text)
    if sum(mark.isalpha() for mark in sample) < _LEAST_LETTERS:
        return None
    name, found = _identifier().classify(sample)
    if found < certainty or name in _NONE:
        return None
    return same(name)


def likely(text: str) -> tuple[str, float]:
    """The most likely language, however unsure, and how certain that is, from 0 to 1."""
    name, certainty = _identifier().classify(_sample(text))
    return same(name), float(certainty)


def same(code: str) -> str:
    """One code for each language: `pt-BR` -> `pt`, `nb` -> `no`."""
    base = code.replace("_", "-").partition("-")[0].lower()
    return _NAMES.get(base, base)


def _sample(text: str) -> str:
    if len(text) <= _PLACES * _CHARACTERS:
        return text
    step = (len(text) - _CHARACTERS) // (_PLACES - 1)
    return " ".join(text[at : at + _CHARACTERS] for at in range(0, len(text), step))


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # 80 MB: only when it is needed

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

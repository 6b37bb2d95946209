"""Texts in many scripts, to compare tokenizers on. Knows no tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LANGUAGES = (
    "en", "fr", "vi", "tr", "pl", "sw", "yo", "ru", "el", "hy", "ka", "he", "ar", "fa", "ur", "hi",
    "bn", "pa", "gu", "ta", "te", "kn", "ml", "si", "th", "lo", "my", "km", "am", "zh", "zh-hant",
    "ja", "ko",
)  # fmt: skip
"""Joins odd_texts.json: texts in more than 30 scripts."""
_PARAGRAPHS = 2


@cache
def hard_texts() -> tuple[str, ...]:
    """Odd spaces, digits, code, emoji, rare scripts: what tokenizers disagree about."""
    path = Path(__file__).with_name("odd_texts.json")
    return tuple(json.loads(path.read_text(encoding="utf-8")))


def texts() -> Iterator[str]:
    """The hard texts, and the longest paragraphs of the Declaration in every language."""
    from edgekit.data import declaration  # langcodes, which who needs only hard_texts may lack

    yield from hard_texts()
    for language in LANGUAGES:
        yield from sorted(declaration.paragraphs(language), key=len)[-_PARAGRAPHS:]

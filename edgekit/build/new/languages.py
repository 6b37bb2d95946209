"""The languages of rows that name none. Knows no sets and no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edgekit.data.language_of import detect
from edgekit.errors import DataError

SAMPLED = 2_000
LEAST_SHARE = 0.1
"""Share of the texts with a detected language; short ones are often mistaken for a similar one."""


def tell(texts: Sequence[str]) -> tuple[tuple[str, ...], list[str | None]]:
    """The languages of the texts, the most frequent first, and that of each text.

    A text whose language cannot be detected, or is rare here, has none. Raises DataError where no
    text's can be detected.
    """
    counts = Counter(filter(None, map(detect, texts[:: max(1, len(texts) // SAMPLED)])))
    if not counts:
        raise DataError(
            f"The language of these texts cannot be told (such as '{texts[0][:60]}'); add a column "
            "'language' with codes such as en or pt-BR."
        )
    common = [code for code, count in counts.most_common() if count >= LEAST_SHARE * counts.total()]
    languages = tuple(common or [counts.most_common(1)[0][0]])
    if len(languages) == 1:
        return languages, [languages[0]] * len(texts)
    found = map(detect, texts)
    return languages, [code if code in languages else None for code in found]

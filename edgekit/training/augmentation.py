"""Makes further texts out of given ones, for a teacher to label. Knows no model and no label.

Word dropout, and splicing of two texts of one language; of a pair the first text stays, and the
second is changed. The results need not be good sentences, only close to the given texts (Tang et
al. 2019, arXiv 1903.12136).
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence

from edgekit.data import inputs
from edgekit.data.inputs import Input

DROPPED = 0.15
"""Share of the words that dropout removes."""
_TRIES = 4

# Scripts that put no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, Kana, Han.
_SPACELESS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Marks that belong to the character before them.
_SIGNS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd"
    "\u0f71-\u0f84\u102b-\u103e\u17b6-\u17d3"
)
_UNIT = re.compile(rf"(?:[{_SPACELESS}][{_SIGNS}]*|[^\s{_SPACELESS}]+)\s*")


def augment(
    texts: Sequence[tuple[Input, str | None]],
    *,
    copies: int,
    seed: int,
    taken: Collection[Input] = (),
) -> list[Input]:
    """About `copies` new texts for each of `texts` (text or pair, language), in a fixed order.

    No new text equals a given one, another new one or one in `taken`; one-word texts give none.
    Only texts that name a language are spliced, with others of that language.
    """
    pieces = [units(inputs.texts(text)[-1]) for text, _ in texts]
    partners: dict[str, list[int]] = {}
    for number, (_, language) in enumerate(texts):
        if language is not None and len(pieces[number]) > 1:
            partners.setdefault(language, []).append(number)
    seen: set[Input] = {*taken, *(text for text, _ in texts)}
    found: list[Input] = []
    generator = random.Random(seed)
    for _ in range(copies):
        for number, (given, language) in enumerate(texts):
            if len(pieces[number]) < 2:
                continue
            others = partners.get(language, []) if language is not None else []
            for _ in range(_TRIES):
                if len(others) > 1 and generator.random() < 0.5:
                    text = _splice(pieces[number], pieces[generator.choice(others)], generator)
                else:
                    text = _drop(pieces[number], generator)
                new = text if isinstance(given, str) else (given[0], text)
                if new not in seen:
                    seen.add(new)
                    found.append(new)
                    break
    return found


def units(text: str) -> list[str]:
    """A text's words, each with the space after it; single characters where no space splits.

    Joined, they give the text again, but for any space before its first word.
    """
    return _UNIT.findall(text)


def _drop(words: Sequence[str], generator: random.Random) -> str:
    """The text without a few of its words: at least one goes and at least one stays."""
    count = max(1, sum(generator.random() < DROPPED for _ in words))
    gone = set(generator.sample(range(len(words)), min(count, len(words) - 1)))
    return "".join(word for number, word in enumerate(words) if number not in gone).strip()


def _splice(first: Sequence[str], second: Sequence[str], generator: random.Random) -> str:
    """The beginning of one text and the end of another."""
    head = first[: generator.randrange(1, len(first))]
    tail = second[generator.randrange(1, len(second)) :]
    return "".join([*head, *tail]).strip()

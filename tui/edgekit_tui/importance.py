"""Which words mattered: each is left out once, and the label's score without it is compared.

Leave-one-out importance; it says what the model looked at, not whether it was right to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgekit.tasks.classification.answer import Answer
from edgekit_tui.bidi import clusters
from edgekit_tui.models import Answerer

MOST_WORDS = 60
# Scripts written without spaces between words: each letter is left out instead.
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def split(text: str) -> list[str]:
    """Pieces that joined give the text; every other one may be white space."""
    pieces: list[str] = []
    for piece in re.findall(r"\s+|\S+", text):
        pieces += clusters(piece) if _NO_SPACES.search(piece) else [piece]
    return pieces


def words(text: str) -> int:
    return sum(1 for piece in split(text) if not piece.isspace())


def weigh(model: Answerer, text: str, answer: Answer) -> Iterator[tuple[str, float]]:
    """Each piece with how much the label's score falls without it; white space weighs nothing.

    Lazy: a caller that stops iterating stops the work. A one-word text has nothing to compare with.
    """
    # The highest score even where a model of several labels gave none.
    best = answer.label or max(answer.scores, key=answer.scores.__getitem__)
    pieces = split(text)
    for place, piece in enumerate(pieces):
        rest = "".join(pieces[:place] + pieces[place + 1 :])
        if piece.isspace() or not rest.strip():
            yield piece, 0.0
        else:
            yield piece, answer.score - model.classify(rest).scores[best]

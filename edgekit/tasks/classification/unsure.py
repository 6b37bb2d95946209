"""Below which score an answer is unsure: chosen on validation rows, or never. Knows no model."""

from __future__ import annotations

import numpy as np

FEWEST_WRONG = 10
"""Wrong answers that a threshold is chosen by; by fewer it would be theirs alone."""
MOST_UNSURE = 0.5
"""Of all answers; where more would be in doubt, the model is, and no threshold says that."""
ERRORS_LEFT = 0.5
"""Of the answers that are not in doubt, the share that is wrong is at most this part of the share
of all."""
DIGITS = 4


def threshold(scores: np.ndarray, right: np.ndarray) -> float:
    """The least score from which on answers are wrong half as often as all are; 0.0 where these
    rows choose none.

    `scores` are those of the labels given, and the bool `right` says which of these were right;
    both have the shape (rows,). (Selective classification: Geifman and El-Yaniv 2017, arXiv
    1705.08500, whose bound on the risk is a share of the risk without it here.)
    """
    wrong = len(right) - int(right.sum())
    if wrong < FEWEST_WRONG:
        return 0.0
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    kept = np.arange(1, len(ranked) + 1)
    errors = (kept - np.cumsum(right[order])) / kept
    # A threshold lies between two scores: equal ones are in doubt together.
    ends = np.append(ranked[1:] < ranked[:-1], False)
    good = ends & (errors <= ERRORS_LEFT * wrong / len(right))
    good &= kept >= (1 - MOST_UNSURE) * len(ranked)
    if not good.any():
        return 0.0
    last = int(np.flatnonzero(good)[-1])
    return float(round((ranked[last] + ranked[last + 1]) / 2, DIGITS))

"""How far one language model's predictions are from another's. Runs no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgekit.errors import ExportError
from edgekit.export.gguf.predicting import Predictions

LEAST_MASS = 1e-12
"""Masses below this are rounding errors, and their logarithm would be meaningless."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Of a model from its parent, token by token; arrays of shape (tokens,)."""

    kld: np.ndarray
    """Kullback-Leibler divergence KL(parent ‖ other) in nats."""
    parent_nll: np.ndarray
    """Negative log-probability that the parent gave to the token that followed, in nats."""
    other_nll: np.ndarray
    same_top: np.ndarray
    """Whether both find the same token most likely."""
    lengths: np.ndarray
    """How many of the tokens belong to each sequence, in order."""

    def tokenwise(self) -> Tokenwise:
        return Tokenwise(self.kld, self.parent_nll, self.other_nll, self.same_top)

    def summary(self) -> dict[str, Any]:
        """The measures over all tokens together."""
        return self.tokenwise().measures()


def compare(parent: Path, other: Path) -> Divergence:
    """Compares two files of predictions, the other's made `at` the parent's.

    The tokens beyond the parent's 64 most likely count as one, so the result is never more than the
    true divergence (the data processing inequality). Raises ExportError for files that were not
    made from the same tokens.
    """
    mine, theirs = Predictions.read(parent), Predictions.read(other)
    same_texts = np.array_equal(mine.digests, theirs.digests)
    if not (same_texts and np.array_equal(mine.ids, theirs.ids)):
        raise ExportError(f"{other} was not made at {parent}; make it anew.")
    return Divergence(
        kld=divergences(mine, theirs),
        parent_nll=-mine.next.astype(np.float64),
        other_nll=-theirs.next.astype(np.float64),
        same_top=mine.best == theirs.best,
        lengths=mine.lengths,
    )


def divergences(mine: Predictions, theirs: Predictions) -> np.ndarray:
    """KL(mine ‖ theirs) of each token, float64, not below 0."""
    logp, logq = mine.logp.astype(np.float64), theirs.logp.astype(np.float64)
    rest, other_rest = (
        np.maximum(one.rest.astype(np.float64), LEAST_MASS) for one in (mine, theirs)
    )
    # A piece that one of them lacks is part of the rest.
    known = mine.ids >= 0
    logp, logq = np.where(known, logp, 0.0), np.where(known, logq, 0.0)
    kept = (np.exp(logp) * (logp - logq)).sum(axis=1)
    # Only rounding takes a sum of differences below 0.
    return np.maximum(kept + rest * np.log(rest / other_rest), 0.0)


Measure = Literal["kld", "top1", "ppl_ratio"]


MEASURES: tuple[Measure, ...] = ("kld", "top1", "ppl_ratio")


SAME_KLD = 1e-7
"""Divergences below this on every token are rounding: both are the same function."""


@dataclass(frozen=True, slots=True)
class Tokenwise:
    """Measures of every predicted token; arrays of shape (tokens,)."""

    kld: np.ndarray
    """Kullback-Leibler divergence KL(parent ‖ model) in nats."""
    parent_nll: np.ndarray
    """Negative log-probability that the parent gave to the token, in nats."""
    nll: np.ndarray
    """The same for the model."""
    same_top: np.ndarray
    """Whether both find the same token most likely."""
    compared: np.ndarray | None = None
    """Where `kld` and `same_top` are known, and not 0; everywhere where None. Elsewhere the two
    read the text as different tokens, so that only its cost to them can be compared."""

    def part(self, places: np.ndarray) -> Tokenwise:
        return Tokenwise(
            self.kld[places],
            self.parent_nll[places],
            self.nll[places],
            self.same_top[places],
            None if self.compared is None else self.compared[places],
        )

    def measures(self) -> dict[str, Any]:
        """`compared` is only named where it is not everything; `kld` and `top1` are None where it
        is nothing."""
        kld, same_top, more = self.kld, self.same_top, {}
        if self.compared is not None:
            kld, same_top = kld[self.compared], same_top[self.compared]
            more = {"compared": len(kld)}
        return {
            "tokens": len(self.kld),
            **more,
            "kld": float(kld.mean()) if len(kld) else None,
            "kld_p99": float(np.quantile(kld, 0.99)) if len(kld) else None,
            "top1": float(same_top.mean()) if len(kld) else None,
            "ppl_ratio": float(np.exp((self.nll - self.parent_nll).mean())),
            "perplexity": float(np.exp(self.nll.mean())),
            "parent_perplexity": float(np.exp(self.parent_nll.mean())),
        }

    @property
    def same(self) -> bool:
        return self.compared is None and bool((self.kld < SAME_KLD).all())

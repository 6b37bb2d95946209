"""How logits become answers: one label by softmax, or every label whose sigmoid reaches its
threshold. Knows no model and no names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgekit.runtime.numerics import log_sigmoid, sigmoid, softmax

Given = np.ndarray
"""Answers to rows: indexes of labels (rows,), or where a text may have several, bool (rows,
labels)."""
THRESHOLD = 0.5
_FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class OneLabel:
    """Softmax: the likeliest label is the answer."""

    temperature: float = 1.0
    """Logits are divided by it first."""
    several: ClassVar[bool] = False

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits, self.temperature)

    def given(self, logits: np.ndarray) -> Given:
        # From the logits: after softmax, two close scores may be equal.
        return np.asarray(logits).argmax(axis=-1)

    def divergence(self, wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
        """KL(wanted ‖ found) of rows of logits, in nats, of shape (rows,)."""
        sides = (self.probabilities(wanted), self.probabilities(found))
        mine, theirs = (side + _FLOOR for side in sides)
        return np.asarray((sides[0] * np.log(mine / theirs)).sum(axis=-1))

    def margins(self, logits: np.ndarray) -> np.ndarray:
        """How far each row's scores are from another answer, of shape (rows,)."""
        second, best = np.sort(self.probabilities(logits), axis=1)[:, -2:].T
        return np.asarray(best - second)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A sigmoid for each label: those that reach their thresholds are the answer, which may be
    none."""

    thresholds: tuple[float, ...]
    """One for each label, between 0 and 1."""
    several: ClassVar[bool] = True

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return sigmoid(logits)

    def given(self, logits: np.ndarray) -> Given:
        return np.asarray(sigmoid(logits) >= np.array(self.thresholds))

    def divergence(self, wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
        """KL(wanted ‖ found), the sum over the labels, each of which is there or not."""
        odds = sigmoid(wanted)
        there = odds * (log_sigmoid(wanted) - log_sigmoid(found))
        absent = (1 - odds) * (log_sigmoid(-np.asarray(wanted)) - log_sigmoid(-np.asarray(found)))
        return np.asarray((there + absent).sum(axis=-1))

    def margins(self, logits: np.ndarray) -> np.ndarray:
        """How far each row's scores are from another answer, of shape (rows,)."""
        return np.abs(sigmoid(logits) - np.array(self.thresholds)).min(axis=1)


Scoring = OneLabel | LabelSet
SOFTMAX = OneLabel()


def untuned(labels: int, *, several: bool) -> Scoring:
    """As transformers answers: temperature 1, or every threshold at a half."""
    return LabelSet((THRESHOLD,) * labels) if several else OneLabel()


def as_sets(given: Given, labels: int) -> np.ndarray:
    """Answers of either kind as bool of shape (rows, labels)."""
    return given if given.ndim == 2 else np.arange(labels) == given[:, None]


def equal(some: Given, others: Given) -> np.ndarray:
    """Whether both give a row the same label, or all of the same; bool of shape (rows,)."""
    return np.asarray((some == others).reshape(len(some), -1).all(axis=1))

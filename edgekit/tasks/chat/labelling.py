"""Asks a chat model to choose a label, and turns the labels' scores into an Answer. Runs no model.

The score of a label is the log-probability of its tokens and of the end of the turn after them:
what the model would say if it could only say labels (constrained decoding, exactly). Some labels
are likelier whatever the text; that bias, measured on validation rows, can be subtracted (batch
calibration: Zhou et al. 2023, arXiv 2309.17249).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.data.conversation import Message
from edgekit.errors import DataError
from edgekit.runtime.numerics import softmax
from edgekit.runtime.scoring import OneLabel
from edgekit.tasks.classification import answer as classification
from edgekit.tasks.classification.answer import Answer
from edgekit.wording.suggestions import did_you_mean

INSTRUCTION = "Which label fits the text best? Answer with the label alone."
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Balance:
    """What is subtracted from the labels' scores, in nats, and what the rest is divided by."""

    bias: tuple[float, ...] = ()
    """Empty if nothing is subtracted."""
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    labels: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]
    instruction: str

    @classmethod
    def about(
        cls,
        labels: Sequence[str],
        examples: Iterable[tuple[str, str]] = (),
        *,
        instruction: str | None = None,
    ) -> Question:
        """Raises DataError for labels or examples that cannot be asked about."""
        if isinstance(labels, str | bytes):
            raise DataError("labels must be a list of texts, such as ['yes', 'no'].")
        names = tuple(labels)
        if not all(isinstance(name, str) and name.strip() == name and name for name in names):
            raise DataError("A label must be a text that neither begins nor ends with a space.")
        if len(set(names)) != len(names) or len(names) < 2:
            raise DataError("Give two labels or more, each once.")
        asked = INSTRUCTION if instruction is None else instruction
        question = cls(names, tuple((text, label) for text, label in examples), asked)
        for _, label in question.examples:
            question.place(label)
        return question

    def place(self, label: str) -> int:
        if label not in self.labels:
            hint = did_you_mean(label, self.labels)
            raise DataError(f"'{label}' is none of the labels that were given.{hint}")
        return self.labels.index(label)

    def messages(self, text: str) -> list[Message]:
        """The prompt; everything that does not depend on the text comes before it."""
        told = f"{self.instruction}\nLabels: {', '.join(self.labels)}\n\n"
        messages = []
        for example, label in self.examples:
            messages.append({"role": "user", "content": f"{told}Text: {example}"})
            messages.append({"role": "assistant", "content": label})
            told = ""
        return [*messages, {"role": "user", "content": f"{told}Text: {text}"}]

    def answer(self, scores: np.ndarray, balance: Balance, *, abstain_below: float) -> Answer:
        """The answer from log-probabilities of shape (labels,)."""
        return classification.answer(
            scores - np.array(balance.bias or 0.0),
            self.labels,
            scoring=OneLabel(balance.temperature),
            abstain_below=abstain_below,
        )


def fit_balance(scores: Sequence[np.ndarray], truth: Sequence[int], labels: int) -> Balance:
    """The balance that helps on these rows in cross-validation; an empty one if none does.

    `scores` holds log-probabilities of shape (labels,), `truth` the indexes of the right labels.
    """
    if len(scores) < FOLDS:
        return Balance()
    rows, right = np.stack(scores), np.array(truth)
    shifted = np.empty_like(rows)
    for fold in range(FOLDS):
        held = np.arange(len(rows)) % FOLDS == fold
        shifted[held] = rows[held] - _bias(rows[~held])
    helps = _accuracy(shifted, right) > _accuracy(rows, right) or (
        _accuracy(shifted, right) == _accuracy(rows, right)
        and _nll(shifted, right) < _nll(rows, right)
    )
    bias = _bias(rows) if helps else np.zeros(labels)
    temperature = classification.fit_temperature(rows - bias, right)
    return Balance(tuple(map(float, bias)) if helps else (), temperature)


def _bias(rows: np.ndarray) -> np.ndarray:
    """How likely each label is over all rows, in nats above the mean of all labels."""
    mean = np.log(softmax(rows).mean(axis=0) + 1e-12)
    return mean - mean.mean()


def _accuracy(rows: np.ndarray, right: np.ndarray) -> float:
    return float((rows.argmax(axis=1) == right).mean())


def _nll(rows: np.ndarray, right: np.ndarray) -> float:
    return float(-np.log(softmax(rows)[np.arange(len(right)), right] + 1e-12).mean())

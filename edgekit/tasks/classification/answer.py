"""From logits to an answer, and from answers to metrics. Knows nothing of models."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.errors import DataError, EdgekitError
from edgekit.runtime.numerics import softmax
from edgekit.wording.suggestions import did_you_mean

ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one text."""

    label: str
    score: float
    scores: dict[str, float]
    abstained: bool
    """True if the best score is below `abstain_below`; `label` is still the best guess."""
    parts: int
    """How many windows the text was read in; more than one if it is longer than the model's."""

    def as_json(self) -> dict[str, Any]:
        """What `classify --json` prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LabelScores:
    rows: int
    predicted: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Scores:
    rows: int
    accuracy: float
    macro_f1: float
    """Mean of F1 over the labels that occur in the truth of these rows."""
    by_label: Mapping[str, LabelScores]
    """Labels that occur in the truth or were predicted."""
    ece: float
    """Expected calibration error: 15 bins of equal width (Guo et al. 2017, arXiv 1706.04599)."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def answer(
    logits: np.ndarray,
    labels: Sequence[str],
    *,
    temperature: float = 1.0,
    abstain_below: float = 0.0,
    parts: int = 1,
) -> Answer:
    """The answer for one text's logits, of shape (labels,)."""
    # For so few numbers numpy's overhead would be half of a small model's time.
    found: list[float] = logits.tolist()
    _require(finite=all(map(math.isfinite, found)))
    # The label comes from the logits: after softmax, two close scores may be equal.
    highest = max(found)
    best = found.index(highest)
    powers = [math.exp((value - highest) / temperature) for value in found]
    total = sum(powers)
    score = powers[best] / total
    return Answer(
        label=labels[best],
        score=score,
        scores={label: power / total for label, power in zip(labels, powers, strict=True)},
        abstained=score < abstain_below,
        parts=parts,
    )


def _require(*, finite: bool) -> None:
    """NaN or infinite logits would become an answer that looks like any other."""
    if not finite:
        raise EdgekitError(
            "The model gave scores that are no numbers (NaN or infinite); "
            "its weights are damaged or overflow: check the checkpoint and build it again."
        )


def label_indexes(found: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """The index of each found label among the model's; int64 of shape (rows,).

    Raises DataError with the labels that the model does not know and the closest that it does.
    """
    places = {label: place for place, label in enumerate(labels)}
    unknown = Counter(label for label in found if label not in places)
    if unknown:
        counts = ", ".join(f"'{label}' ({count} rows)" for label, count in unknown.most_common(5))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        hint = did_you_mean(unknown.most_common(1)[0][0], labels)
        raise DataError(f"The data has labels that the model does not know: {counts}{more}.{hint}")
    return np.array([places[label] for label in found], dtype=np.int64)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the lowest NLL on rows that the model was not trained on.

    1.0 if that temperature does not lower the NLL, or raises the calibration error. `logits` has
    shape (rows, labels), `truth` holds label indexes. Temperatures are searched in [0.05, 20].
    """
    scores = np.asarray(logits, dtype=np.float64)
    right = scores[np.arange(len(truth)), truth]

    def slope(sharpness: float) -> float:
        """The derivative of the NLL by 1/temperature; it increases, so its root is the minimum."""
        return float(((softmax(scores, 1 / sharpness) * scores).sum(axis=-1) - right).mean())

    low, high = math.log(0.05), math.log(20.0)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(math.exp(middle)) > 0 else (middle, high)
    fitted = math.exp(-(low + high) / 2)
    helps = _nll(scores, truth, fitted) < _nll(scores, truth, 1.0) and ece(
        softmax(scores, fitted), truth
    ) <= ece(softmax(scores), truth)
    return round(fitted, 6) if helps else 1.0


def _nll(logits: np.ndarray, truth: np.ndarray, temperature: float) -> float:
    scaled = logits / temperature
    top = scaled.max(axis=-1)
    total = np.log(np.exp(scaled - top[:, None]).sum(axis=-1)) + top
    return float((total - scaled[np.arange(len(truth)), truth]).mean())


def ece(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error over ECE_BINS bins of equal width."""
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == truth
    bins = np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def scores(
    logits: np.ndarray, truth: np.ndarray, labels: Sequence[str], *, temperature: float = 1.0
) -> Scores:
    """Metrics of `logits`, of shape (rows, labels), against label indexes `truth`."""
    if len(truth) == 0:
        raise DataError("There are no rows to judge; give a file with at least one labelled row.")
    _require(finite=bool(np.isfinite(logits).all()))
    predicted = np.argmax(logits, axis=-1)
    hits = np.bincount(truth[predicted == truth], minlength=len(labels))
    rows = np.bincount(truth, minlength=len(labels))
    guesses = np.bincount(predicted, minlength=len(labels))
    f1 = 2 * hits / np.maximum(rows + guesses, 1)
    by_label = {
        label: LabelScores(
            rows=int(rows[place]),
            predicted=int(guesses[place]),
            precision=float(hits[place] / max(guesses[place], 1)),
            recall=float(hits[place] / max(rows[place], 1)),
            f1=float(f1[place]),
        )
        for place, label in enumerate(labels)
        if rows[place] or guesses[place]
    }
    return Scores(
        rows=len(truth),
        accuracy=float((predicted == truth).mean()),
        macro_f1=float(f1[rows > 0].mean()),
        by_label=by_label,
        ece=ece(softmax(logits, temperature), truth),
    )

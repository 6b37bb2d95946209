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
from edgekit.runtime.scoring import SOFTMAX, Given, LabelSet, Scoring, as_sets, equal
from edgekit.tasks.refusals import told
from edgekit.wording.suggestions import did_you_mean

ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one text."""

    label: str | None
    """The likeliest label that the text was given; None where a model of several gave none."""
    score: float
    """That label's score; the highest of all where none was given."""
    scores: dict[str, float]
    abstained: bool
    """True if `score` is below `abstain_below`; `label` is still the best guess."""
    parts: int
    """How many windows the text was read in; more than one if it is longer than the model's."""
    labels: tuple[str, ...] = ()
    """All labels that the text was given, the likeliest first."""
    familiar: bool | None = None
    """Whether the text looks like those that the model was taught; None where that is not known."""

    def as_json(self) -> dict[str, Any]:
        """What `classify --json` prints."""
        return {**asdict(self), "labels": list(self.labels)}


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
    """Share of rows whose label, or whose whole set of labels, is the right one."""
    micro_f1: float | None
    """F1 of all answers together; None where a text has one label, since it is the accuracy."""
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
    scoring: Scoring = SOFTMAX,
    abstain_below: float = 0.0,
    parts: int = 1,
    familiar: bool | None = None,
) -> Answer:
    """The answer for one text's logits, of shape (labels,)."""
    # For so few numbers numpy's overhead would be half of a small model's time.
    found: list[float] = logits.tolist()
    _require(finite=all(map(math.isfinite, found)))
    if isinstance(scoring, LabelSet):
        scores = [_sigmoid(value) for value in found]
        order = sorted(range(len(found)), key=lambda place: -found[place])
        given = [place for place in order if scores[place] >= scoring.thresholds[place]]
    else:
        scores = _softmax(found, scoring.temperature)
        # The label comes from the logits: after softmax, two close scores may be equal.
        order = given = [found.index(max(found))]
    score = scores[(given or order)[0]]
    return Answer(
        label=labels[given[0]] if given else None,
        score=score,
        scores=dict(zip(labels, scores, strict=True)),
        # That no label fits is an answer, not a doubt.
        abstained=bool(given) and score < abstain_below,
        parts=parts,
        labels=tuple(labels[place] for place in given),
        familiar=familiar,
    )


def _softmax(logits: Sequence[float], temperature: float) -> list[float]:
    highest = max(logits)
    powers = [math.exp((value - highest) / temperature) for value in logits]
    total = sum(powers)
    return [power / total for power in powers]


def _sigmoid(logit: float) -> float:
    # exp of a large number overflows.
    power = math.exp(-abs(logit))
    return (1.0 if logit >= 0 else power) / (1.0 + power)


def _require(*, finite: bool) -> None:
    """NaN or infinite logits would become an answer that looks like any other."""
    if not finite:
        raise EdgekitError(told("scores-no-numbers", {}))


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
    """Expected calibration error over ECE_BINS bins of equal width.

    Of the likeliest labels (rows,), or with a bool truth (rows, labels) of every label.
    """
    if truth.ndim == 2:
        return _ece(probabilities.ravel(), truth.ravel())
    return _ece(probabilities.max(axis=-1), probabilities.argmax(axis=-1) == truth)


def _ece(confidence: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(right))


def scores(
    logits: np.ndarray, truth: Given, labels: Sequence[str], *, scoring: Scoring = SOFTMAX
) -> Scores:
    """Metrics of `logits`, of shape (rows, labels), against the right answers."""
    if len(truth) == 0:
        raise DataError("There are no rows to judge; give a file with at least one labelled row.")
    _require(finite=bool(np.isfinite(logits).all()))
    given = scoring.given(logits)
    right, found = as_sets(truth, len(labels)), as_sets(given, len(labels))
    hits, rows, guesses = ((right & found).sum(0), right.sum(0), found.sum(0))
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
        accuracy=float(equal(given, truth).mean()),
        micro_f1=float(2 * hits.sum() / max(1, rows.sum() + guesses.sum()))
        if scoring.several
        else None,
        # Where no row carries a label, there is nothing to find.
        macro_f1=float(f1[rows > 0].mean()) if rows.any() else 0.0,
        by_label=by_label,
        ece=ece(scoring.probabilities(logits), truth),
    )

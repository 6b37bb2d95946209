"""A linear model beside a classifier: TF-IDF of characters and logistic regression, trained on the
same rows, so that a verdict says what the task needs. Runs no other model, and judges none.

The two texts of a pair have a block of columns each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.data.rows import Row
from edgekit.job.cost import Cost
from edgekit.job.job import OnProgress, OutputJob, Planned
from edgekit.recipe.dataset import Dataset
from edgekit.runtime.scoring import as_sets
from edgekit.system.digest import sha256_json
from edgekit.system.machine import MIB
from edgekit.tasks.classification.truth import right_answers

VERSION = 1
PACKAGES = ("scikit-learn", "numpy")
PIECES = 50_000
"""n-grams that it knows at most: those that occur most often."""
COUNTED_CHARACTERS = 2_000_000
"""They are counted in so many: those of longer sets, before the rare ones go, fill the memory."""
CHARACTERS = 12_000_000
"""It learns from so many at most; of longer sets, from an even share of the rows."""
STRENGTH = 30.0
"""The inverse of the regularization, as scikit-learn's `C`."""
ROWS_SEEN = 50_000
"""So many rows pass the optimizer in all epochs together, within EPOCHS."""
EPOCHS = (5, 60)
NEVER = -50.0
"""The logit of a label that no training row carries."""
TIMED_TEXTS = 200
# Measured on one core, rounded up.
_IMPORT_SECONDS = 3.0
_SECONDS_PER_CHARACTER = 8e-6
_SECONDS_PER_CHARACTER_SEEN_AND_LABEL = 3e-8
_BASE_BYTES = 300 * MIB
_BYTES_PER_CHARACTER = 40


@dataclass(frozen=True, slots=True)
class Linear:
    """What a trained linear model answers, and what it takes."""

    logits: np.ndarray = field(repr=False)
    """Of the texts that it was asked, float32, shape (texts, labels)."""
    rows: int
    """Rows that it learnt from."""
    size_bytes: int
    """Weights in fp32, and the n-grams in UTF-8."""
    text_ms: float
    """From one text to its answer: the median on one core of the machine that trained it."""


def stored(job: OutputJob, dataset: Dataset) -> Linear | None:
    """The linear model of these rows, made once; None without training rows."""
    if not dataset.train:
        return None
    texts = [row.input for row in dataset.test]

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        trained = train(
            dataset.train,
            texts,
            dataset.labels,
            several=dataset.several,
            seed=job.seed,
            on_progress=on_progress,
        )
        np.save(out / "logits.npy", trained.logits, allow_pickle=False)
        return {name: value for name, value in asdict(trained).items() if name != "logits"}

    inputs = {
        "version": VERSION,
        "packages": {name: job.packages[name] for name in PACKAGES},
        "rows": sha256_json([[row.input, list(row.all_labels)] for row in dataset.train]),
        "texts": sha256_json(texts),
        "labels": dataset.labels,
        "several": dataset.several,
        "seed": job.seed,
    }
    done = job.run("linear", inputs, make)
    facts = {name: done.record[name] for name in ("rows", "size_bytes", "text_ms")}
    return Linear(np.load(done.folder / "logits.npy", allow_pickle=False), **facts)


def train(
    rows: Sequence[Row],
    texts: Sequence[Input],
    labels: Sequence[str],
    *,
    several: bool,
    seed: int,
    on_progress: OnProgress = lambda fraction: None,
) -> Linear:
    """Learns from labelled rows and answers `texts`; the same on every run.

    A logistic regression for each label, by stochastic gradient descent: on many short rows with
    many labels, solvers that converge take several times as long, for a macro-F1 that is no higher.
    One thread works, and draws no random numbers but its own.
    """
    # scikit-learn takes seconds to import, which only this pays for.
    from sklearn.linear_model import SGDClassifier

    learnt = even_share(rows, CHARACTERS)
    counted = even_share(learnt, COUNTED_CHARACTERS)
    columns, features = _fitted([row.input for row in counted])
    on_progress(0.3)
    if len(counted) < len(learnt):
        known = [column.vocabulary_ for column in columns]
        columns, features = _fitted([row.input for row in learnt], known)
    on_progress(0.6)
    carried = as_sets(right_answers(learnt, labels, several=several), len(labels))
    weights = np.zeros((features.shape[1], len(labels)), dtype=np.float32)
    # What every row carries or none does, there is nothing to learn of.
    biases = np.where(carried.all(axis=0), -NEVER, NEVER).astype(np.float32)
    for place in np.flatnonzero(carried.any(axis=0) & ~carried.all(axis=0)):
        one = SGDClassifier(
            loss="log_loss",
            alpha=1 / (STRENGTH * len(learnt)),
            max_iter=_epochs(len(learnt)),
            tol=None,
            random_state=seed,
        ).fit(features, carried[:, place])
        weights[:, place], biases[place] = one.coef_[0], one.intercept_[0]
        on_progress(0.6 + 0.4 * (int(place) + 1) / len(labels))

    def answer(some: Sequence[Input]) -> np.ndarray:
        parts = [one.transform(part) for one, part in zip(columns, _split(some), strict=True)]
        return np.asarray(_beside(parts) @ weights + biases, dtype=np.float32)

    return Linear(
        logits=answer(texts),
        rows=len(learnt),
        size_bytes=weights.nbytes
        + biases.nbytes
        + sum(
            len(piece.encode("utf-8", "surrogatepass"))
            for column in columns
            for piece in column.vocabulary_
        ),
        text_ms=_median_ms(answer, texts[:TIMED_TEXTS]),
    )


def _fitted(
    some: Sequence[Input], known: Sequence[Mapping[str, int]] = ()
) -> tuple[list[Any], Any]:
    """A vectorizer for the texts, or for each text of the pairs, and their features: with the
    `known` vocabularies, or those of `some`."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    parts = _split(some)
    columns = [
        TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(2, 5),
            max_features=PIECES // len(parts),  # of a vocabulary that is counted here
            vocabulary=known[number] if known else None,
            sublinear_tf=True,
            dtype=np.float32,
        )
        for number in range(len(parts))
    ]
    found = [one.fit_transform(part) for one, part in zip(columns, parts, strict=True)]
    return columns, _beside(found)


def _split(some: Sequence[Input]) -> list[tuple[str, ...]]:
    """The texts, or the first and the second texts of pairs."""
    return list(zip(*map(inputs.texts, some), strict=True))


def _beside(parts: Sequence[Any]) -> Any:
    """Blocks of columns as one sparse matrix."""
    from scipy import sparse

    return parts[0] if len(parts) == 1 else sparse.hstack(parts, format="csr")


def even_share(rows: Sequence[Row], characters: int) -> Sequence[Row]:
    """All rows, or of more characters than that, rows at even distances."""
    total = sum(map(_characters, rows))
    if total <= characters:
        return rows
    count = max(1, len(rows) * characters // total)
    return [rows[place * len(rows) // count] for place in range(count)]


def _characters(row: Row) -> int:
    return sum(map(len, inputs.texts(row.input)))


def _epochs(rows: int) -> int:
    fewest, most = EPOCHS
    return min(most, max(fewest, math.ceil(ROWS_SEEN / rows)))


def cost(planned: Planned) -> Cost:
    """Of one output: the work is done once for all of them."""
    rows = planned.dataset.train
    if not rows or not planned.dataset.test:
        return Cost(seconds=0.0, peak_bytes=0, disk_bytes=0)
    learnt = even_share(rows, CHARACTERS)
    characters = sum(map(_characters, learnt))
    read = characters + (COUNTED_CHARACTERS if characters > COUNTED_CHARACTERS else 0)
    read += sum(map(_characters, planned.dataset.test))
    labels = len(planned.dataset.labels)
    seconds = _IMPORT_SECONDS + read * _SECONDS_PER_CHARACTER
    seen = _epochs(len(learnt)) * characters
    seconds += seen * labels * _SECONDS_PER_CHARACTER_SEEN_AND_LABEL
    return Cost(
        seconds=seconds / len(planned.recipe.outputs),
        peak_bytes=planned.rates.torch_bytes + _BASE_BYTES + _BYTES_PER_CHARACTER * characters,
        disk_bytes=4 * len(planned.dataset.test) * labels,
    )


def _median_ms(answer: Callable[[Sequence[Input]], np.ndarray], texts: Sequence[Input]) -> float:
    seconds = []
    for text in texts:
        began = time.perf_counter()
        answer([text])
        seconds.append(time.perf_counter() - began)
    return round(1000 * median(seconds), 3)

"""When an artifact should doubt its answer: chosen on validation rows, measured on others.

Texts of another kind are the sentences of the Declaration of Human Rights, which no build learns
from, in each of the artifact's languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact.specs import OTHERS
from edgekit.data import declaration
from edgekit.data.inputs import Input
from edgekit.data.language_of import same
from edgekit.data.rows import Row
from edgekit.job.job import OnProgress, OutputJob
from edgekit.recipe.dataset import Dataset
from edgekit.runtime.scoring import OneLabel, Scoring
from edgekit.system.digest import sha256_json
from edgekit.tasks.classification import familiar, unsure
from edgekit.tasks.classification.familiar import Familiar
from edgekit.tasks.classification.truth import right_answers

WORTH = 5.0
"""It is said of a text only where so many times more foreign texts are caught than others."""


@dataclass(frozen=True, slots=True)
class Doubt:
    files: Mapping[str, Path] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    """For the manifest's `model`."""
    quality: Mapping[str, Any] = field(default_factory=dict)


def unsure_below(
    dataset: Dataset,
    validation: np.ndarray,
    test: np.ndarray,
    scoring: Scoring,
    *,
    asked: float | None,
) -> Doubt:
    """The least score of a sure answer, from logits of shape (rows, labels); that of the recipe,
    where it names one. Of labels of which a text may have several, each has a threshold already.
    """
    if not isinstance(scoring, OneLabel):
        return Doubt(model={"abstain_below": asked or 0.0})
    chosen = asked
    if chosen is None:
        chosen = unsure.threshold(*_judged(dataset, dataset.validation, validation, scoring))
    if not chosen or not dataset.test:
        return Doubt(model={"abstain_below": chosen})
    scores, right = _judged(dataset, dataset.test, test, scoring)
    doubted = scores < chosen
    found = {
        "below": chosen,
        "chosen_on": 0 if asked is not None else len(dataset.validation),
        "share": float(doubted.mean()),
        "right": float(right[doubted].mean()) if doubted.any() else None,
        "right_of_others": float(right[~doubted].mean()) if not doubted.all() else None,
    }
    return Doubt(model={"abstain_below": chosen}, quality={"unsure": found})


def _judged(
    dataset: Dataset, rows: Sequence[Row], logits: np.ndarray, scoring: OneLabel
) -> tuple[np.ndarray, np.ndarray]:
    """The score of each row's answer, and whether that is right."""
    if not rows:
        return np.zeros(0), np.zeros(0, dtype=bool)
    truth = right_answers(rows, dataset.labels, several=False)
    return scoring.probabilities(logits).max(axis=1), scoring.given(logits) == truth


def like_nothing_taught(job: OutputJob, dataset: Dataset) -> Doubt:
    """What tells texts of another kind, and how well; nothing without training rows, or with too
    few validation rows."""
    taught = [row.input for row in dataset.train]
    if not taught or len(dataset.validation) < familiar.FEWEST_ROWS:
        return Doubt()

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        (out / familiar.FILE).write_bytes(familiar.seen_in(taught).tobytes())
        return {"rows": len(taught)}

    inputs = {"version": familiar.VERSION, "rows": sha256_json(taught)}
    path = job.run("familiar", inputs, make).folder / familiar.FILE
    check = familiar.fit(
        familiar.opened(path.read_bytes(), {OTHERS: 0.0}).seen,
        [row.input for row in dataset.validation],
    )
    if check is None:
        return Doubt()
    measured = _measured(check, dataset, job.languages)
    if not measured["said"]:
        return Doubt(quality={"foreign": measured})
    spec = {
        "least": dict(check.least),
        "version": familiar.VERSION,
        "rows": len(dataset.validation),
    }
    return Doubt({familiar.FILE: path}, {"familiar": spec}, {"foreign": measured})


def _measured(check: Familiar, dataset: Dataset, languages: Sequence[str]) -> dict[str, Any]:
    """The share of foreign texts that it catches, by language, and of rows that are none."""
    # Other languages were not taught, so that their rows are no false alarms.
    listed = {same(name) for name in languages}
    judged = dataset.test or dataset.validation
    own = [row for row in judged if row.language is None or same(row.language) in listed]
    by_language = {
        name: {"rows": len(texts), "caught": _caught(check, texts)}
        for name in languages
        if (texts := foreign(name, pairs=dataset.pairs))
    }
    rows = sum(one["rows"] for one in by_language.values())
    caught = sum(one["rows"] * one["caught"] for one in by_language.values()) / max(1, rows)
    alarms = _caught(check, [row.input for row in own])
    return {
        "rows": rows,
        "caught": caught,
        "false_alarms": alarms,
        "own_rows": len(own),
        "by_language": by_language,
        "said": rows > 0 and caught >= WORTH * max(alarms, familiar.FALSE_ALARMS),
    }


def foreign(language: str, *, pairs: bool) -> list[Input]:
    """Texts that no artifact was taught, each alone or with the one that follows it."""
    texts = declaration.paragraphs(language)
    return list(pairwise(texts)) if pairs else list(texts)


def _caught(check: Familiar, texts: Sequence[Input]) -> float:
    return float(np.mean([check(text) is False for text in texts])) if texts else 0.0

"""Judges summaries of test texts, alone or against the teacher's, beside a lead. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgekit.data.rows import Row
from edgekit.judging.noninferiority import kept, kept_mean, means
from edgekit.judging.verdict import Finding, Must, Places, as_json, decide, judge_parts
from edgekit.judging.written import differing, worst_first
from edgekit.tasks.classification.proof.quality import (
    group_numbers,
    listed_rows,
    part_places,
    slices,
    split,
)
from edgekit.tasks.summarization.proof import rouge
from edgekit.tasks.summarization.proof.rouge import Scored

SummaryMetric = Literal["rouge1", "rouge2", "rougeLsum", "chrf"]


@dataclass(frozen=True, slots=True)
class SummaryMust:
    """What must hold for a summarizer, compared with its teacher."""

    metric: SummaryMetric = "rougeLsum"
    keep: float | None = None
    worst_language: float | None = None
    """As in verdict.Must."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """The scores of the artifact, of a lead of its length, and of the teacher on the same rows."""

    artifact: Scored
    lead: Scored
    teacher: Scored | None
    alike: np.ndarray | None
    """How similar each summary is to the teacher's."""
    metric: SummaryMetric

    def part(self, places: np.ndarray) -> dict[str, Any]:
        found = {
            "rows": len(places),
            **self.artifact.means(places),
            "lead": _metrics(self.lead, places),
            "beats_lead": self._mean(self.artifact, places) > self._mean(self.lead, places),
        }
        if self.teacher is None or self.alike is None:
            return found
        before = self._mean(self.teacher, places)
        return {
            **found,
            "teacher": self.teacher.means(places),
            "agreement": float(self.alike[places].mean()),
            "kept": self._mean(self.artifact, places) / before if before else None,
        }

    def parts(self, parts: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
        return {name: self.part(places) for name, places in parts.items()}

    def _mean(self, side: Scored, places: np.ndarray) -> float:
        return float(side.metrics[self.metric][places].mean())


def judge(
    rows: Sequence[Row],
    summaries: Sequence[str],
    *,
    teacher: Sequence[str] | None = None,
    languages: Sequence[str] = (),
    must: SummaryMust | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """What `evaluate --json` prints about a summarizer.

    Everything but `other_languages` is about rows in `languages` (all rows if none are given) and
    rows that name no language. Raises DataError if no row is left to judge.
    """
    must = must or SummaryMust()
    judged, others = listed_rows(rows, languages)
    spoken = [row.language for row in rows]
    by_language = split(judged, spoken)
    sides = _sides(rows, summaries, teacher, must.metric)
    sliced = slices(judged, rows)
    result = {
        "metric": must.metric,
        **sides.part(judged),
        "by_language": sides.parts(by_language),
        "languages_without_rows": [name for name in languages if name not in by_language],
        "other_languages": sides.parts(split(others, spoken)),
        "by_slice": {column: sides.parts(values) for column, values in sliced.items()},
    }
    if teacher is None or sides.teacher is None:
        return result
    places = part_places(judged, by_language, sliced)
    return {**result, **_prove(rows, judged, sides, must, places, seed)}


def changed_rows(
    rows: Sequence[Row], summaries: Sequence[str], teacher: Sequence[str]
) -> list[dict[str, str]]:
    """Every row whose summaries differ between the sides, the ones that got worst first."""
    places = differing(summaries, teacher)
    changed = [rows[at] for at in places]
    mine, theirs = ([side[at] for at in places] for side in (summaries, teacher))
    references = [str(row.summary) for row in changed]
    now, before = (rouge.agreement(side, references) for side in (mine, theirs))
    return worst_first(changed, mine, theirs, now=now, before=before)


def _sides(
    rows: Sequence[Row],
    summaries: Sequence[str],
    teacher: Sequence[str] | None,
    metric: SummaryMetric,
) -> _Sides:
    texts, references = [row.text for row in rows], [str(row.summary) for row in rows]
    leads = [rouge.lead(text, like) for text, like in zip(texts, summaries, strict=True)]
    return _Sides(
        artifact=rouge.score(texts, references, summaries),
        lead=rouge.score(texts, references, leads),
        teacher=None if teacher is None else rouge.score(texts, references, teacher),
        alike=None if teacher is None else rouge.agreement(summaries, teacher),
        metric=metric,
    )


def _metrics(scored: Scored, places: np.ndarray) -> dict[str, float]:
    return {name: float(values[places].mean()) for name, values in scored.metrics.items()}


def _prove(
    rows: Sequence[Row],
    judged: np.ndarray,
    sides: _Sides,
    must: SummaryMust,
    places: Places,
    seed: int,
) -> dict[str, Any]:
    groups = group_numbers([rows[place] for place in judged])
    teacher = sides.teacher or sides.artifact
    artifact, lead, before = (
        side.metrics[must.metric][judged] for side in (sides.artifact, sides.lead, teacher)
    )
    asked = Must(keep=must.keep, worst_language=must.worst_language)
    whole = kept(means(artifact, before, groups), keep=asked.keep, least=asked.level, seed=seed)
    # Equal summaries of these texts do not prove that the models are equal.
    languages, sliced = judge_parts(
        places,
        lambda at: means(artifact[at], before[at], groups[at]),
        must=asked,
        seed=seed,
        same=False,
    )
    finding = Finding(whole, False, len(judged), languages, sliced)
    judgement = decide(asked, finding)
    over = kept_mean(artifact, lead, groups, seed=seed)
    return {
        "over_lead": {"point": over.point, "low": over.low, "high": over.high},
        **as_json(judgement, finding),
    }

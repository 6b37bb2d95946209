"""Judges translations of test texts, alone or against the teacher's. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgekit.data.rows import Row
from edgekit.judging.noninferiority import kept, means
from edgekit.judging.verdict import Finding, Must, as_json, decide, judge_parts
from edgekit.judging.written import differing, worst_first
from edgekit.tasks.classification.proof.quality import (
    group_numbers,
    listed_rows,
    part_places,
    slices,
    split,
)
from edgekit.tasks.translation.proof import scores
from edgekit.tasks.translation.proof.scores import Scored


@dataclass(frozen=True, slots=True)
class TranslationMust:
    """What must hold for a translator, compared with its teacher."""

    metric: Literal["chrf"] = "chrf"
    keep: float | None = None
    worst_language: float | None = None
    """As in verdict.Must; a language is a direction."""


@dataclass(frozen=True, slots=True)
class _Sides:
    artifact: Scored
    teacher: Scored | None

    def part(self, places: np.ndarray) -> dict[str, Any]:
        found = {"rows": len(places), **self.artifact.part(places)}
        if self.teacher is None:
            return found
        before = self.teacher.part(places)
        same = [self.artifact.translations[at] == self.teacher.translations[at] for at in places]
        return {
            **found,
            "teacher": before,
            "agreement": float(np.mean(same)),
            "kept": found["sentence_chrf"] / before["sentence_chrf"]
            if before["sentence_chrf"]
            else None,
        }

    def parts(self, parts: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
        return {name: self.part(places) for name, places in parts.items()}


def judge(
    rows: Sequence[Row],
    translations: Sequence[str],
    *,
    teacher: Sequence[str] | None = None,
    languages: Sequence[str] = (),
    must: TranslationMust | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """What `evaluate --json` prints about a translator.

    Everything but `other_languages` is about rows in the directions `languages` (all rows if none
    are given). Raises DataError if no row is left to judge.
    """
    must = must or TranslationMust()
    judged, others = listed_rows(rows, languages)
    names = [row.language for row in rows]
    references = [str(row.summary) for row in rows]
    by_language = split(judged, names)
    sides = _Sides(
        scores.score(references, translations, names),
        None if teacher is None else scores.score(references, teacher, names),
    )
    sliced = slices(judged, rows)
    result = {
        "metric": must.metric,
        "signatures": scores.signatures(sorted(by_language)),
        **sides.part(judged),
        "by_language": sides.parts(by_language),
        "languages_without_rows": [name for name in languages if name not in by_language],
        "other_languages": sides.parts(split(others, names)),
        "by_slice": {column: sides.parts(values) for column, values in sliced.items()},
    }
    if sides.teacher is None:
        return result
    places = part_places(judged, by_language, sliced)
    now, before = (side.chrf[judged] for side in (sides.artifact, sides.teacher))
    groups = group_numbers([rows[place] for place in judged])
    asked = Must(keep=must.keep, worst_language=must.worst_language)
    whole = kept(means(now, before, groups), keep=asked.keep, least=asked.level, seed=seed)
    # Equal translations of these texts do not prove that the models are equal.
    parts, columns = judge_parts(
        places,
        lambda at: means(now[at], before[at], groups[at]),
        must=asked,
        seed=seed,
        same=False,
    )
    finding = Finding(whole, False, len(judged), parts, columns)
    return {**result, **as_json(decide(asked, finding), finding)}


def changed_rows(
    rows: Sequence[Row], translations: Sequence[str], teacher: Sequence[str]
) -> list[dict[str, str]]:
    """Every row whose translations differ between the sides, the ones that got worst first."""
    places = differing(translations, teacher)
    changed = [rows[at] for at in places]
    mine, theirs = ([side[at] for at in places] for side in (translations, teacher))
    references, names = [str(row.summary) for row in changed], [row.language for row in changed]
    now, before = (scores.score(references, side, names).chrf for side in (mine, theirs))
    return worst_first(changed, mine, theirs, now=now, before=before)

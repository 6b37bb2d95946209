"""Judges an artifact's answers on labelled rows, alone or against the teacher's. Runs no model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data import inputs
from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.judging.noninferiority import Metric, Paired, answers, kept
from edgekit.judging.verdict import Finding, Must, as_json, decide, judge_parts
from edgekit.judging.verdict import Places as PartPlaces
from edgekit.runtime.scoring import SOFTMAX, Given, Scoring, as_sets, equal, untuned
from edgekit.tasks.classification import answer as classification
from edgekit.tasks.classification.answer import Scores
from edgekit.tasks.classification.recorded import of_model, of_teacher
from edgekit.tasks.classification.truth import right_answers
from edgekit.wording.suggestions import did_you_mean

__all__ = ["Must", "flip_rows", "judge", "judge_artifact", "judge_linear"]

SAME_LOGITS = 1e-4
"""Logits this close on every row come from the same function, rounded in another order."""
FEWEST_GROUPS = 5
"""Fewer could all lie on one side by chance, more often than a test at 95 % allows."""

Places = np.ndarray
"""Indexes of rows: a part of the data."""
Measure = Callable[[Places], Scores]
"""One side's metrics on a part of the data."""


@dataclass(frozen=True, slots=True)
class Scorings:
    """How the logits of both sides become answers; both give one label, or both give sets."""

    artifact: Scoring = SOFTMAX
    teacher: Scoring = SOFTMAX


SOFTMAXES = Scorings()


@dataclass(frozen=True, slots=True)
class _Sides:
    artifact: Measure
    teacher: Measure | None
    metric: Metric

    def part(self, places: Places) -> dict[str, Any]:
        """Both sides on a part of the data; `kept` is None if the teacher's metric is 0."""
        artifact = self.artifact(places)
        result = {"rows": artifact.rows, "artifact": _short(artifact)}
        if self.teacher is None:
            return result
        teacher = self.teacher(places)
        before = getattr(teacher, self.metric)
        kept = getattr(artifact, self.metric) / before if before else None
        return {**result, "teacher": _short(teacher), "kept": kept}

    def parts(self, parts: Mapping[str, Places]) -> dict[str, dict[str, Any]]:
        return {name: self.part(places) for name, places in parts.items()}


def judge(
    rows: Sequence[Row],
    logits: np.ndarray,
    labels: Sequence[str],
    *,
    teacher_logits: np.ndarray | None = None,
    languages: Sequence[str] = (),
    must: Must | None = None,
    scorings: Scorings = SOFTMAXES,
    seed: int = 0,
) -> dict[str, Any]:
    """What `evaluate --json` prints: metrics, and with a teacher flips and the verdict.

    `logits` have shape (rows, labels). Everything but `other_languages` is about rows in
    `languages` (all rows if none are given) and rows that name no language. Raises DataError for
    labels that the model does not know, and if no row is left to judge.
    """
    must = must or Must()
    truth = right_answers(rows, labels, several=scorings.artifact.several)
    judged, others = listed_rows(rows, languages)
    spoken = [row.language for row in rows]
    by_language, sliced = split(judged, spoken), slices(judged, rows)
    sides = _Sides(
        artifact=_measure(logits, truth, labels, scorings.artifact),
        teacher=None
        if teacher_logits is None
        else _measure(teacher_logits, truth, labels, scorings.teacher),
        metric=must.metric,
    )
    result = {
        "rows": len(judged),
        "metric": must.metric,
        **({"several_labels": True} if scorings.artifact.several else {}),
        "artifact": _side(sides.artifact, judged, by_language),
        "languages_without_rows": [name for name in languages if name not in by_language],
        "other_languages": sides.parts(split(others, spoken)),
        "by_slice": {column: sides.parts(values) for column, values in sliced.items()},
    }
    if teacher_logits is None or sides.teacher is None:
        return result
    same = np.allclose(logits[judged], teacher_logits[judged], rtol=0, atol=SAME_LOGITS)
    paired = Paired(
        truth=truth[judged],
        artifact=scorings.artifact.given(logits[judged]),
        teacher=scorings.teacher.given(teacher_logits[judged]),
        groups=group_numbers([rows[place] for place in judged]),
        labels=len(labels),
    )
    return {
        **result,
        "teacher": _side(sides.teacher, judged, by_language),
        **_flips(paired),
        "kept_by_language": {name: sides.part(at)["kept"] for name, at in by_language.items()},
        **_prove(
            paired,
            must,
            part_places(judged, by_language, sliced),
            same=bool(same) and bool((paired.artifact == paired.teacher).all()),
            seed=seed,
        ),
    }


def judge_linear(
    rows: Sequence[Row],
    logits: np.ndarray,
    labels: Sequence[str],
    *,
    linear_logits: np.ndarray,
    languages: Sequence[str] = (),
    metric: Metric = "macro_f1",
    scoring: Scoring = SOFTMAX,
    seed: int = 0,
) -> dict[str, Any]:
    """How good a linear model is on the rows of `judge`, and whether the artifact, whose `logits`
    and `scoring` are given, is shown to be better.

    It is if the linear model FAILs to keep all of the artifact's metric, by the test that decides
    verdicts; a linear model that keeps surely more than all of it is better.
    """
    truth = right_answers(rows, labels, several=scoring.several)
    judged, _ = listed_rows(rows, languages)
    plain = untuned(len(labels), several=scoring.several)
    measure = _measure(linear_logits, truth, labels, plain)
    paired = Paired(
        truth=truth[judged],
        artifact=plain.given(linear_logits[judged]),
        teacher=scoring.given(logits[judged]),
        groups=group_numbers([rows[place] for place in judged]),
        labels=len(labels),
    )
    share = kept(answers(metric, paired), seed=seed)
    by_language = split(judged, [row.language for row in rows])
    return {
        **{key: value for key, value in _short(measure(judged)).items() if key != "rows"},
        "by_language": {name: _short(measure(places)) for name, places in by_language.items()},
        "kept": share.point,
        "kept_low": share.low,
        "kept_high": share.high,
        "better": share.groups >= FEWEST_GROUPS and share.high < 1,
    }


def judge_artifact(
    manifest: Manifest, rows: Sequence[Row], logits: np.ndarray, teacher: np.ndarray | None
) -> dict[str, Any]:
    """`judge` as in the build of this artifact: by its own labels, languages and `must`."""
    return judge(
        rows,
        logits,
        manifest.labels,
        teacher_logits=teacher,
        languages=manifest.languages,
        must=Must(**manifest.recipe.get("must", {})),
        scorings=recorded(manifest),
        seed=int(manifest.recipe.get("seed", 0)),
    )


def recorded(manifest: Manifest) -> Scorings:
    return Scorings(of_model(manifest.model), of_teacher(manifest.model))


def flip_rows(
    rows: Sequence[Row],
    logits: np.ndarray,
    labels: Sequence[str],
    *,
    teacher_logits: np.ndarray,
    scorings: Scorings = SOFTMAXES,
) -> list[dict[str, str]]:
    """Every row on which the sides differ, the ones that got worse first.

    `kind` is "worse", "better" or "both wrong". These are people's texts: for the report and the
    terminal, not for an artifact that is passed on.
    """
    order = ("worse", "better", "both wrong")
    found = []
    right = right_answers(rows, labels, several=scorings.artifact.several)
    sides = (right, scorings.artifact.given(logits), scorings.teacher.given(teacher_logits))
    for row, *sets in zip(rows, *(as_sets(side, len(labels)) for side in sides), strict=True):
        label, artifact, teacher = (_named(one, labels) for one in sets)
        if artifact != teacher:
            flip = {
                "kind": {teacher: "worse", artifact: "better"}.get(label, "both wrong"),
                "language": row.language or "",
                "label": label,
                "artifact": artifact,
                "teacher": teacher,
                "text": inputs.shown(row.input),
            }
            found.append(flip)
    return sorted(found, key=lambda flip: (order.index(flip["kind"]), *flip.values()))


def _named(given: np.ndarray, labels: Sequence[str]) -> str:
    """A set of labels, for people; a dash for none."""
    return " + ".join(labels[int(place)] for place in np.flatnonzero(given)) or "–"


def _measure(logits: np.ndarray, truth: Given, labels: Sequence[str], scoring: Scoring) -> Measure:
    return lambda places: classification.scores(
        logits[places], truth[places], labels, scoring=scoring
    )


def listed_rows(rows: Sequence[Row], languages: Sequence[str]) -> tuple[Places, Places]:
    """Rows that the recipe's languages cover, and the others."""
    listed = np.array(
        [not languages or row.language is None or row.language in languages for row in rows],
        dtype=bool,
    )
    if not listed.any():
        raise DataError(_no_rows_sentence(rows, languages))
    return np.flatnonzero(listed), np.flatnonzero(~listed)


def _no_rows_sentence(rows: Sequence[Row], languages: Sequence[str]) -> str:
    if not rows:
        return "There are no rows to judge; give a file with at least one labelled row."
    found = sorted({row.language for row in rows if row.language})
    return (
        f"No row is in a language of the recipe ({', '.join(languages)}); the data has "
        f"{', '.join(found[:20])}.{did_you_mean(found[0], languages)}"
    )


def split(places: Places, names: Sequence[str | None]) -> dict[str, Places]:
    """The indexes by the name of each row, names sorted; rows without a name are in no part."""
    parts: dict[str, list[int]] = {}
    for place in places:
        name = names[int(place)]
        if name is not None:
            parts.setdefault(name, []).append(int(place))
    return {name: np.array(parts[name]) for name in sorted(parts)}


def slices(places: Places, rows: Sequence[Row]) -> dict[str, dict[str, Places]]:
    """The indexes by each further column of the rows, and by its values."""
    columns = sorted({column for row in rows for column in row.slices})
    return {column: split(places, [row.slices.get(column) for row in rows]) for column in columns}


def part_places(
    judged: Places, by_language: Mapping[str, Places], sliced: Mapping[str, Mapping[str, Places]]
) -> PartPlaces:
    """The parts' rows counted among the judged ones, which are in order."""

    def among(found: Mapping[str, Places]) -> dict[str, Sequence[int]]:
        return {name: np.searchsorted(judged, at).tolist() for name, at in found.items()}

    return PartPlaces(among(by_language), {column: among(one) for column, one in sliced.items()})


def _side(measure: Measure, judged: Places, by_language: Mapping[str, Places]) -> dict[str, Any]:
    scores = measure(judged)
    return {
        "accuracy": scores.accuracy,
        **({} if scores.micro_f1 is None else {"micro_f1": scores.micro_f1}),
        "macro_f1": scores.macro_f1,
        "ece": scores.ece,
        "by_language": {name: _short(measure(places)) for name, places in by_language.items()},
        "by_label": {label: asdict(one) for label, one in scores.by_label.items()},
    }


def _short(scores: Scores) -> dict[str, Any]:
    return {"rows": scores.rows, "accuracy": scores.accuracy, "macro_f1": scores.macro_f1}


def _flips(paired: Paired) -> dict[str, Any]:
    right, before = equal(paired.artifact, paired.truth), equal(paired.teacher, paired.truth)
    return {
        "agreement": float(equal(paired.artifact, paired.teacher).mean()),
        "flips": {"better": int((right & ~before).sum()), "worse": int((before & ~right).sum())},
    }


def _prove(
    paired: Paired, must: Must, places: PartPlaces, *, same: bool, seed: int
) -> dict[str, Any]:
    whole = kept(answers(must.metric, paired), keep=must.keep, least=must.level, seed=seed)
    languages, sliced = judge_parts(
        places,
        lambda rows: answers(must.metric, paired.part(np.asarray(rows))),
        must=must,
        seed=seed,
        same=same,
    )
    finding = Finding(whole, same, len(paired.truth), languages, sliced)
    return {"kept": whole.point, **as_json(decide(must, finding), finding)}


def group_numbers(rows: Sequence[Row]) -> np.ndarray:
    """A number for each group; a row that names none is a group of its own."""
    numbers: dict[Hashable, int] = {}
    keys = (row.group if row.group is not None else place for place, row in enumerate(rows))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])

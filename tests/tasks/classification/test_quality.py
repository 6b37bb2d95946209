"""Metrics by language, flips, and the verdict that follows from what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.judging.noninferiority import Kept
from edgekit.judging.parts import Part
from edgekit.judging.verdict import Finding, decide
from edgekit.tasks.classification.proof.quality import Must, flip_rows, judge

LABELS = ["off", "on", "dim"]
LANGUAGES = ["ar", "en", "fr"]
MUST = Must(keep=0.99, worst_language=0.97)


def made(
    seed: int, rows: int, worse: float = 0.0, languages: list[str] | None = None
) -> tuple[list[Row], np.ndarray, np.ndarray]:
    """Rows, the artifact's logits and the teacher's; at random in a share `worse` of the rows."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, rows)
    teacher = np.eye(3)[truth] * 4 + random.normal(size=(rows, 3))
    artifact = teacher + random.normal(size=(rows, 3)) * 0.01
    spoilt = random.random(rows) < worse
    artifact[spoilt] = random.normal(size=(rows, 3))[spoilt]
    names = languages or LANGUAGES
    data = [
        Row(f"text {place}", LABELS[label], names[place % len(names)], slices={"region": "north"})
        for place, label in enumerate(truth)
    ]
    return data, artifact, teacher


def judged(
    rows: list[Row], artifact: np.ndarray, teacher: np.ndarray, **more: Any
) -> dict[str, Any]:
    settings = {"languages": LANGUAGES, "must": MUST} | more
    return judge(rows, artifact, LABELS, teacher_logits=teacher, **settings)


def test_without_a_teacher_there_are_metrics_alone() -> None:
    rows, artifact, _ = made(1, 300)
    result = judge(rows, artifact, LABELS, languages=LANGUAGES)
    predicted = artifact.argmax(axis=1)
    truth = [LABELS.index(str(row.label)) for row in rows]
    assert result["artifact"]["macro_f1"] == pytest.approx(
        f1_score(truth, predicted, average="macro")
    )
    french = [place for place, row in enumerate(rows) if row.language == "fr"]
    assert result["artifact"]["by_language"]["fr"] == {
        "rows": 100,
        "accuracy": pytest.approx(np.mean(predicted[french] == np.array(truth)[french])),
        "macro_f1": pytest.approx(
            f1_score(np.array(truth)[french], predicted[french], average="macro")
        ),
    }
    assert "teacher" not in result
    assert "verdict" not in result


def test_result_has_the_promised_shape_and_is_json() -> None:
    result = json.loads(json.dumps(judged(*made(1, 1500, worse=0.002))))
    assert {
        "rows", "artifact", "teacher", "agreement", "flips", "kept", "worst_language", "verdict",
        "rows_needed",
    } <= set(result)  # fmt: skip
    assert set(result["artifact"]) == set(result["teacher"])
    assert set(result["worst_language"]) == {"language", "kept"}
    assert set(result["flips"]) == {"better", "worse"}


@given(seed=st.integers(0, 100), rows=st.integers(6, 60))
@settings(max_examples=10, deadline=None)
def test_the_same_logits_pass_whatever_the_number_of_rows(seed: int, rows: int) -> None:
    data, _, teacher = made(seed, rows)
    result = judged(data, teacher, teacher, must=Must(keep=0.99))
    assert (result["verdict"], result["agreement"], result["kept"]) == ("PASS", 1, 1)
    assert result["flips"] == {"better": 0, "worse": 0}


def test_small_loss_on_many_rows_passes_and_large_loss_fails() -> None:
    assert judged(*made(1, 6000, worse=0.002))["verdict"] == "PASS"
    failed = judged(*made(1, 6000, worse=0.2), must=Must(keep=0.99))
    assert failed["verdict"] == "FAIL"
    assert failed["rows_needed"] is None
    assert "at most" in failed["why"]


def test_few_rows_are_inconclusive_and_name_how_many_it_takes() -> None:
    rows, artifact, teacher = made(6, 450, worse=0.01)
    result = judged(rows, artifact, teacher)
    assert result["verdict"] == "INCONCLUSIVE"
    assert result["rows_needed"] > 450
    assert f"{result['rows_needed']:,}" in result["why"]


def test_no_flips_on_few_rows_prove_nothing() -> None:
    rows, artifact, teacher = made(2, 120)
    result = judged(rows, artifact, teacher, must=Must(keep=0.99))
    assert (result["agreement"], result["verdict"]) == (1, "INCONCLUSIVE")
    assert result["rows_needed"] == 299


def test_one_bad_language_fails_the_whole() -> None:
    rows, artifact, teacher = made(3, 6000)
    arabic = [place for place, row in enumerate(rows) if row.language == "ar"][:150]
    artifact[arabic] = artifact[arabic][:, ::-1]
    result = judged(rows, artifact, teacher, must=Must(keep=0.9, worst_language=0.97))
    assert result["verdict"] == "FAIL"
    assert result["worst_language"]["language"] == "ar"
    assert "In Arabic" in result["why"]
    bounds = {code: one["verdict"] for code, one in result["bounds_by_language"].items()}
    assert bounds == {"ar": "FAIL", "en": "PASS", "fr": "PASS"}


def test_a_language_that_lies_low_by_chance_fails_nothing() -> None:
    """Three languages of 300 rows; in one of them, 12 answers in 100 are lost and 8 gained."""
    rows, _, teacher = made(3, 900)
    truth = np.array([LABELS.index(str(row.label)) for row in rows])
    teacher, artifact = np.eye(3)[truth] * 4, np.eye(3)[truth] * 4
    french = [place for place, row in enumerate(rows) if row.language == "fr"]
    artifact[french[:36]] = np.roll(artifact[french[:36]], 1, axis=1)
    teacher[french[36:60]] = np.roll(teacher[french[36:60]], 1, axis=1)
    result = judged(rows, artifact, teacher, must=Must(worst_language=0.97))
    assert result["worst_language"]["kept"] < 0.97
    assert result["verdict"] == "INCONCLUSIVE"
    assert result["rows_needed_by_language"] == {"fr": None}


def test_languages_outside_the_recipe_are_reported_apart() -> None:
    rows, artifact, teacher = made(4, 1200)
    strange, bad, good = made(5, 300, worse=1.0, languages=["hi"])
    result = judged(
        rows + strange, np.concatenate([artifact, bad]), np.concatenate([teacher, good])
    )
    alone = judged(rows, artifact, teacher)
    assert result.pop("other_languages")["hi"]["kept"] < 0.7
    assert alone.pop("other_languages") == {}
    assert result == alone


def test_small_and_missing_languages_are_named() -> None:
    rows, artifact, teacher = made(4, 900)
    rows[:200] = [replace(row, language="de") for row in rows[:200]]
    rows[260:] = [replace(row, language="fr") for row in rows[260:]]
    result = judged(rows, artifact, teacher, languages=["de", "en", "fr", "sw"])
    assert result["small_languages"] == {"en": 20}
    assert result["languages_without_rows"] == ["sw"]
    assert result["worst_language"]["language"] in ("de", "fr")


def test_worst_language_cannot_be_judged_without_languages() -> None:
    rows, artifact, teacher = made(4, 900)
    rows = [replace(row, language=None) for row in rows]
    result = judged(rows, artifact, teacher)
    assert (result["verdict"], result["worst_language"]) == ("INCONCLUSIVE", None)
    assert "column 'language'" in result["why"]


def test_slices_are_judged_like_languages() -> None:
    rows, artifact, teacher = made(4, 600, worse=0.1)
    rows[:200] = [replace(row, slices={"region": "south"}) for row in rows[:200]]
    result = judged(rows, artifact, teacher)
    assert {name: part["rows"] for name, part in result["by_slice"]["region"].items()} == {
        "north": 400,
        "south": 200,
    }
    rows = [replace(row, slices={"region": "south"}) if n < 400 else row
            for n, row in enumerate(rows * 10)]  # fmt: skip
    artifact, teacher = np.tile(teacher, (10, 1)), np.tile(teacher, (10, 1))
    artifact[:400] = artifact[:400][:, ::-1]
    result = judged(rows, artifact, teacher, must=Must(worst_language=0.95))
    assert result["verdict"] == "FAIL"
    assert "Where region is south" in result["why"]
    assert result["bounds_by_slice"]["region"]["north"]["verdict"] == "PASS"


@given(seed=st.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    rows, artifact, teacher = made(seed, 400, worse=0.05)
    rows = [replace(row, group=f"g{place % 130}") for place, row in enumerate(rows)]
    order = np.random.default_rng(seed).permutation(len(rows))
    moved = judged([rows[place] for place in order], artifact[order], teacher[order])
    assert _rounded(moved) == _rounded(judged(rows, artifact, teacher))
    assert flip_rows(
        [rows[place] for place in order], artifact[order], LABELS, teacher_logits=teacher[order]
    ) == flip_rows(rows, artifact, LABELS, teacher_logits=teacher)


def _rounded(value: Any) -> Any:
    """Sums of floats in another order differ in their last bits."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 12) if isinstance(value, float) else value


def test_flips_are_counted_and_listed_by_kind() -> None:
    rows = [Row(f"t{place}", "on", "en") for place in range(4)]
    artifact = np.eye(3)[[1, 0, 2, 1]]
    teacher = np.eye(3)[[0, 1, 0, 1]]
    result = judge(rows, artifact, LABELS, teacher_logits=teacher)
    assert result["flips"] == {"better": 1, "worse": 1}
    assert result["agreement"] == 0.25
    flips = flip_rows(rows, artifact, LABELS, teacher_logits=teacher)
    assert [(flip["kind"], flip["text"]) for flip in flips] == [
        ("worse", "t1"),
        ("better", "t0"),
        ("both wrong", "t2"),
    ]


def test_without_must_there_is_no_verdict() -> None:
    result = judged(*made(1, 300), must=None)
    assert (result["verdict"], result["rows_needed"]) == (None, None)


def part(low: float, verdict: str | None, *, rows: int = 900, needed: int | None = None) -> Part:
    return Part(Kept(1.0, low, 1.01, rows), rows, verdict, needed)  # type: ignore[arg-type]


GOOD, UNSURE, BAD = part(0.975, "PASS"), part(0.96, "INCONCLUSIVE", needed=1800), part(0.9, "FAIL")
SMALL = part(0.9, None, rows=20)


@pytest.mark.parametrize(
    ("kept", "languages", "must", "expected"),
    [
        (Kept(1.0, 0.991, 1.01, 900), {"fr": GOOD}, MUST, "PASS"),
        (Kept(1.0, 0.99, 1.01, 299), {"fr": GOOD}, MUST, "PASS"),
        (Kept(1.0, 0.99, 1.01, 298), {"fr": GOOD}, MUST, "INCONCLUSIVE"),
        (Kept(1.0, 0.9899, 1.01, 900), {"fr": GOOD}, MUST, "INCONCLUSIVE"),
        (Kept(0.98, 0.97, 0.99, 900), {"fr": GOOD}, MUST, "INCONCLUSIVE"),
        (Kept(0.98, 0.97, 0.9899, 900, chance=0.025), {"fr": GOOD}, MUST, "FAIL"),
        # Two claims share the level, so that both together FAIL falsely in one case of twenty.
        (Kept(0.98, 0.97, 0.9899, 900, chance=0.026), {"fr": GOOD}, MUST, "INCONCLUSIVE"),
        (Kept(0.98, 0.97, 0.9899, 900, chance=0.05), {"fr": GOOD}, Must(keep=0.99), "FAIL"),
        (Kept(1.0, 0.991, 1.01, 900), {"fr": BAD, "de": GOOD}, MUST, "FAIL"),
        (Kept(1.0, 0.991, 1.01, 900), {"fr": UNSURE, "de": GOOD}, MUST, "INCONCLUSIVE"),
        (Kept(1.0, 0.991, 1.01, 900), {"fr": SMALL, "de": GOOD}, MUST, "PASS"),
        (Kept(1.0, 0.991, 1.01, 900), {"fr": SMALL}, MUST, "INCONCLUSIVE"),
        (Kept(0.5, 0.4, 0.6, 900), {"fr": GOOD}, Must(worst_language=0.97), "PASS"),
        (Kept(0.5, 0.4, 0.6, 900), {}, Must(), None),
        (Kept(1.0, 1.0, 1.0, 9000), {}, Must(keep=1.0), "INCONCLUSIVE"),
    ],
)
def test_verdict_follows_the_bounds(
    kept: Kept, languages: dict[str, Part], must: Must, expected: str | None
) -> None:
    finding = Finding(kept=kept, languages=languages, same=False, rows=2000)
    assert decide(must, finding).verdict == expected


def test_a_verdict_names_the_languages_that_decide_it() -> None:
    whole = Kept(1.0, 0.991, 1.01, 900)
    finding = Finding(whole, same=False, rows=2000, languages={"fr": UNSURE, "de": GOOD})
    unsure = decide(MUST, finding)
    assert "In French it keeps" in unsure.why
    assert "German" not in unsure.why
    assert "1,800 such rows" in unsure.why
    assert unsure.rows_needed == 2000 + 900
    passed = decide(MUST, replace(finding, languages={"fr": SMALL, "de": GOOD}))
    assert "Too few rows to be judged: French" in passed.why
    many = {f"x{number}": BAD for number in range(12)}
    assert "The same is true of 7 more" in decide(MUST, replace(finding, languages=many)).why


def test_unknown_label_and_no_rows_are_refused() -> None:
    rows, artifact, _ = made(1, 3)
    with pytest.raises(DataError, match="Did you mean 'dim'"):
        judge([replace(row, label="dimm") for row in rows], artifact, LABELS)
    with pytest.raises(DataError, match="No row is in a language of the recipe"):
        judge(rows, artifact, LABELS, languages=["sw"])
    with pytest.raises(DataError, match="no rows to judge"):
        judge([], artifact[:0], LABELS, languages=["sw"])

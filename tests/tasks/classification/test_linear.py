"""The linear model beside a verdict: it is scikit-learn's, and what is said of it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

from edgekit.data.rows import Row
from edgekit.runtime.scoring import untuned
from edgekit.tasks import quality
from edgekit.tasks.classification.proof import linear
from edgekit.tasks.classification.proof.linear import Linear, train
from edgekit.tasks.classification.proof.quality import judge, judge_linear
from tests.tiny import encoder as tiny

LABELS = ("off", "on", "dim")
WORDS = {"off": ["kill", "stop", "انتهى"], "on": ["start", "begin", "ابدأ"], "dim": ["low", "soft"]}


def made(count: int, *, seed: int = 0, noise: float = 0.2) -> list[Row]:
    """Rows whose label shows in one word; in a share `noise` of them, the label is another."""
    random = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        label = LABELS[random.integers(3)]
        word = WORDS[label][random.integers(len(WORDS[label]))]
        told = LABELS[random.integers(3)] if random.random() < noise else label
        rows.append(Row(f"please {word} the lamp {place % 50}", told, ("ar", "en")[place % 2]))
    return rows


def texts(rows: list[Row]) -> list[str]:
    return [row.text for row in rows]


def trained(rows: list[Row], asked: list[Row], **more: Any) -> Linear:
    return train(rows, texts(asked), LABELS, **({"several": False, "seed": 7} | more))


def test_logits_are_those_of_scikit_learn() -> None:
    rows, asked = made(300), made(100, seed=1)
    features = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, max_features=50_000
    )
    known = features.fit_transform(texts(rows))
    truth = np.array([[row.label == label for label in LABELS] for row in rows]).astype(int)
    one = SGDClassifier(
        loss="log_loss", alpha=1 / (30 * 300), max_iter=60, tol=None, random_state=7
    )
    wanted = OneVsRestClassifier(one).fit(known, truth)
    found = trained(rows, asked)
    assert found.logits == pytest.approx(
        wanted.decision_function(features.transform(texts(asked))), abs=0.02
    )
    pieces = features.vocabulary_
    assert found.size_bytes == 4 * 3 * (len(pieces) + 1) + sum(len(one.encode()) for one in pieces)


def test_it_is_as_good_as_a_logistic_regression_that_converged() -> None:
    rows, asked = made(600), made(600, seed=1)
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    converged = LogisticRegression(C=30, max_iter=1000).fit(
        features.fit_transform(texts(rows)), [row.label for row in rows]
    )
    truth = [row.label for row in asked]
    wanted = f1_score(truth, converged.predict(features.transform(texts(asked))), average="macro")
    found = [LABELS[place] for place in trained(rows, asked).logits.argmax(axis=1)]
    assert f1_score(truth, found, average="macro") >= wanted - 0.02


def test_the_same_rows_give_the_same_bits() -> None:
    rows, asked = made(200), made(50, seed=1)
    first, again = (trained(rows, asked).logits for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_a_text_may_have_several_labels_or_none() -> None:
    rows = [
        replace(row, label=None, labels=(row.label, "dim")[: place % 3])
        for place, row in enumerate(made(300, noise=0))
        if row.label is not None
    ]
    found = train(rows, texts(rows), LABELS, several=True, seed=7)
    given = found.logits >= 0
    assert {tuple(one) for one in given.tolist()} > {(False,) * 3}
    assert found.logits.shape == (300, 3)


@pytest.mark.parametrize("said", [("on",), ("on", "off")])
def test_labels_that_no_row_carries_are_never_given(said: tuple[str, ...]) -> None:
    """Also where all rows have the same label, and nothing can be learnt."""
    rows = [row for row in made(60, noise=0) if row.label in said]
    given = trained(rows, made(40, seed=1)).logits.argmax(axis=1)
    assert {LABELS[place] for place in given} == set(said)


def test_what_is_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than it may hold, it learns from an even share, and knows the commonest n-grams."""
    rows = made(400)
    monkeypatch.setattr(linear, "CHARACTERS", sum(map(len, texts(rows))) // 2)
    monkeypatch.setattr(linear, "COUNTED_CHARACTERS", sum(map(len, texts(rows))) // 5)
    monkeypatch.setattr(linear, "PIECES", 40)
    found = trained(rows, made(10, seed=1))
    assert found.rows in (199, 200)
    assert found.size_bytes < 4 * 3 * 41 + 40 * 4 * 5


def logits(rows: list[Row], *, wrong: float, seed: int = 2) -> np.ndarray:
    """Of a model that answers at random in a share `wrong` of the rows."""
    random = np.random.default_rng(seed)
    truth = np.array([LABELS.index(str(row.label)) for row in rows])
    lost = random.random(len(rows)) < wrong
    return np.eye(3)[np.where(lost, random.integers(0, 3, len(rows)), truth)] * 4.0


def beside(artifact: float, other: float, rows: int = 900) -> dict[str, Any]:
    """The judgement on an artifact and a linear model that are wrong so often."""
    data = made(rows, noise=0)
    sides = logits(data, wrong=artifact), logits(data, wrong=other, seed=3)
    judged = judge(data, sides[0], LABELS, teacher_logits=sides[0], languages=("ar", "en"))
    found = judge_linear(data, sides[0], LABELS, linear_logits=sides[1], languages=("ar", "en"))
    return {**judged, "linear": {"rows": 23_000, "size_bytes": 8_400_000, **found}}


def test_metrics_are_those_of_scikit_learn() -> None:
    found, data = beside(0.1, 0.4)["linear"], made(900, noise=0)
    truth = np.array([LABELS.index(str(row.label)) for row in data])
    given = logits(data, wrong=0.4, seed=3).argmax(axis=1)
    assert found["macro_f1"] == pytest.approx(f1_score(truth, given, average="macro"))
    assert found["accuracy"] == pytest.approx((truth == given).mean())
    arabic = [place for place, row in enumerate(data) if row.language == "ar"]
    assert found["by_language"]["ar"]["macro_f1"] == pytest.approx(
        f1_score(truth[arabic], given[arabic], average="macro")
    )


@pytest.mark.parametrize(
    ("artifact", "other", "rows", "better", "said"),
    [
        (0.1, 0.4, 900, True, ""),
        (0.2, 0.2, 900, False, "not shown to be better"),
        (0.4, 0.1, 900, False, "is better"),
        (0.1, 0.2, 30, False, "not shown to be better"),
        (0.0, 1.0, 4, False, "not shown to be better"),
    ],
)
def test_an_artifact_that_is_not_shown_better_says_so_first(
    artifact: float, other: float, rows: int, *, better: bool, said: str
) -> None:
    judged = beside(artifact, other, rows)
    assert judged["linear"]["better"] is better
    found = quality.read("classification", judged)
    assert found is not None
    assert said in found.lines()[0]
    assert bool(found.caveat) is not better
    needed = next(line for line in found.lines() if line.startswith("What the task needs"))
    for side in ("artifact", "teacher", "linear"):
        assert f"{judged[side]['macro_f1']:.3f}" in needed
    assert "23,000" in needed
    assert "8.4 MB" in needed
    table = next(one for one in found.sections if one.title == "Beside a linear model")
    assert set(table.parts) == {"ar", "en", quality.ALL}


def test_equal_models_are_seldom_called_better() -> None:
    """The test is one-sided at 95 %."""
    called = 0
    for seed in range(60):
        data = made(300, seed=seed, noise=0)
        sides = (logits(data, wrong=0.3, seed=place) for place in (2 * seed, 2 * seed + 1))
        first, second = sides
        called += judge_linear(data, first, LABELS, linear_logits=second, seed=seed)["better"]
    assert called <= 6


def test_a_linear_model_that_finds_nothing_is_worse() -> None:
    """No label reaches a half: its metric is 0, and so is the share that it keeps."""
    rows = [replace(row, label=None, labels=(str(row.label),)) for row in made(200, noise=0)]
    truth = np.array([[label in (row.labels or ()) for label in LABELS] for row in rows])
    found = judge_linear(
        rows,
        np.where(truth, 4.0, -4.0),
        LABELS,
        linear_logits=np.full((200, 3), -9.0),
        scoring=untuned(3, several=True),
    )
    assert (found["macro_f1"], found["kept"], found["better"]) == (0.0, 0.0, True)


@pytest.mark.parametrize("damaged", [None, 7, {}, {"better": "no"}, {"rows": "<b>", "better": 0}])
def test_a_manifest_may_hold_anything(damaged: object) -> None:
    judged = {**beside(0.1, 0.4, 60), "linear": damaged}
    found = quality.read("classification", judged)
    assert found is not None
    assert not found.caveat
    assert len(found.lines()) == 2


def test_without_training_rows_there_is_none_and_it_is_said() -> None:
    judged = {**beside(0.1, 0.4, 60), "linear": {"rows": 0}}
    found = quality.read("classification", judged)
    assert found is not None
    assert "no training rows" in found.lines()[-1]
    assert not found.caveat


def test_texts_of_all_kinds_are_read() -> None:
    rows = [Row(text, LABELS[place % 3]) for place, text in enumerate([*tiny.texts()[:30], "a"])]
    odd = ["", " ", "a", "\ud800", "x" * 5000, "你好"]
    assert np.isfinite(train(rows, odd, LABELS, several=False, seed=7).logits).all()


def test_the_texts_of_a_pair_have_features_of_their_own() -> None:
    """Which of the two says it is the label: the same words in the other order have another."""
    said = [("off", "kill it"), ("on", "the lamp is mine"), ("dim", "soft light")]
    rows = [
        Row(f"{first} {number}", one, text_pair=f"{second} {number}")
        for one, first in said
        for other, second in said
        if one != other
        for number in range(8)
    ]
    asked = [Row(f"{first} 99", one, text_pair=f"{second} 98") for one, first in said
             for other, second in said if one != other]  # fmt: skip
    found = train(rows, [row.input for row in asked], LABELS, several=False, seed=7)
    assert [LABELS[place] for place in found.logits.argmax(axis=1)] == [row.label for row in asked]


def test_an_even_share_counts_both_texts() -> None:
    rows = [Row("a" * 10, "off", text_pair="b" * 10) for _ in range(10)]
    assert len(linear.even_share(rows, 100)) == 5

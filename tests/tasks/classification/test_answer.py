"""Answers and metrics, checked against scikit-learn and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from edgekit.errors import DataError, EdgekitError
from edgekit.runtime.numerics import softmax
from edgekit.runtime.scoring import OneLabel
from edgekit.tasks.classification import answer as classification
from edgekit.tasks.classification.answer import answer, fit_temperature, label_indexes

LABELS = ["off", "on", "dim", "never"]


def sample(seed: int, rows: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax gives the true chances, times `sharpness`; and labels drawn."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, len(LABELS))) * 2
    chances = softmax(logits)
    truth = np.array([random.choice(len(LABELS), p=chance) for chance in chances])
    return logits * sharpness, truth


def test_answer_gives_every_score_and_the_best_label() -> None:
    result = answer(np.array([1.0, 3.0, 2.0, 0.0], np.float32), LABELS, parts=2)
    assert result.label == "on"
    assert list(result.scores) == LABELS
    assert result.score == result.scores["on"] == pytest.approx(0.6439, abs=1e-4)
    assert sum(result.scores.values()) == pytest.approx(1)
    assert (result.abstained, result.parts) == (False, 2)


def test_answer_abstains_below_the_floor_and_keeps_its_guess() -> None:
    result = answer(np.array([0.0, 0.1, 0, 0]), LABELS, abstain_below=0.5)
    assert result.abstained
    assert result.label == "on"


def test_answer_refuses_scores_that_are_no_numbers() -> None:
    with pytest.raises(EdgekitError, match="no numbers"):
        answer(np.array([0.0, np.nan, 0, 0]), LABELS)


LOGITS = arrays(np.float32, 4, elements=st.floats(-1e4, 1e4, width=32))


@given(logits=LOGITS, temperature=st.floats(0.05, 20))
def test_temperature_never_changes_the_label(logits: np.ndarray, temperature: float) -> None:
    warm = answer(logits, LABELS, scoring=OneLabel(temperature))
    assert warm.label == answer(logits, LABELS).label
    assert warm.score == max(warm.scores.values())


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_those_of_scikit_learn(seed: int) -> None:
    logits, truth = sample(seed, 200)
    truth[truth == 3] = 0  # a label that is predicted, but never true
    predicted = logits.argmax(axis=1)
    result = classification.scores(logits, truth, LABELS)
    assert result.accuracy == pytest.approx(accuracy_score(truth, predicted))
    present = np.unique(truth)
    expected = f1_score(truth, predicted, labels=present, average="macro")
    assert result.macro_f1 == pytest.approx(expected)
    by_label = precision_recall_fscore_support(
        truth, predicted, labels=range(4), zero_division=np.nan
    )
    for place, (precision, recall, f1, rows) in enumerate(zip(*by_label, strict=True)):
        found = result.by_label[LABELS[place]]
        assert (found.rows, found.predicted) == (rows, (predicted == place).sum())
        assert found.f1 == pytest.approx(f1)
        assert found.precision == pytest.approx(precision)
        assert found.recall == pytest.approx(0 if rows == 0 else recall)


def test_ece_is_the_gap_between_confidence_and_accuracy() -> None:
    chances = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 4)
    truth = np.array([0, 0, 1, 1, 0, 0, 0, 1])
    assert classification.ece(chances, truth) == pytest.approx((0.4 + 0.15) / 2)


def test_temperature_is_found_for_a_model_that_is_too_sure() -> None:
    logits, truth = sample(1, 4000, sharpness=3.0)
    temperature = fit_temperature(logits, truth)
    assert temperature == pytest.approx(3.0, rel=0.1)
    before = classification.scores(logits, truth, LABELS)
    after = classification.scores(logits, truth, LABELS, scoring=OneLabel(temperature))
    assert after.ece < before.ece / 3


def test_temperature_is_left_alone_where_it_does_not_help() -> None:
    logits, truth = sample(2, 300)
    fitted = fit_temperature(logits, truth)
    old, new = (
        classification.scores(logits, truth, LABELS, scoring=OneLabel(t)) for t in (1.0, fitted)
    )
    assert new.ece <= old.ece
    # Never wrong and unsure: any temperature below 1 lowers both, down to the end of the range.
    sure = np.eye(4)[[0, 1, 2, 3]]
    assert fit_temperature(sure, np.arange(4)) == pytest.approx(0.05, rel=1e-3)


def test_unknown_labels_are_named_with_the_nearest_known_one() -> None:
    with pytest.raises(DataError, match=r"'onn' \(2 rows\), 'x' \(1 rows\)\. Did you mean 'on'\?"):
        label_indexes(["on", "onn", "x", "onn"], LABELS)
    assert label_indexes(["dim", "off"], LABELS).tolist() == [2, 0]


def test_no_rows_is_an_error() -> None:
    with pytest.raises(DataError, match="no rows to judge"):
        classification.scores(np.zeros((0, 4)), np.zeros(0, np.int64), LABELS)

"""Several labels a text: held against scikit-learn and torch, on random answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.judging.noninferiority import Paired, kept_share
from edgekit.runtime.scoring import LabelSet, OneLabel, equal
from edgekit.tasks.classification import answer as classification
from edgekit.tasks.classification import thresholds
from edgekit.tasks.classification.answer import answer
from edgekit.tasks.classification.proof.head import Head, of
from edgekit.tasks.classification.proof.quality import Must, Scorings, flip_rows, judge
from edgekit.tasks.classification.proof.set_head import SetHead
from edgekit.tasks.classification.truth import right_answers
from edgekit.training.batches import Example

LABELS = ("heat", "light", "music", "door")
HALF = LabelSet((0.5,) * 4)


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and sets of labels that have to do with them."""
    random = np.random.default_rng(seed)
    logits = random.normal(-0.5, 2, (rows, 4)).astype(np.float32)
    return logits, logits + random.normal(0, 1.5, (rows, 4)) > 0


def f1(carried: np.ndarray, given: np.ndarray) -> float:
    return float(2 * (carried & given).sum() / max(1, carried.sum() + given.sum()))


def as_rows(truth: np.ndarray) -> list[Row]:
    return [
        Row(f"text {number}", language="en", labels=tuple(np.array(LABELS)[there]))
        for number, there in enumerate(truth)
    ]


@given(rows=st.integers(1, 60), seed=st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_metrics_are_scikit_learns(rows: int, seed: int) -> None:
    logits, truth = drawn(rows, seed)
    found = classification.scores(logits, truth, LABELS, scoring=HALF)
    guessed = 1 / (1 + np.exp(-logits.astype(np.float64))) >= 0.5
    there = np.flatnonzero(truth.any(axis=0)).tolist()
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, guessed))
    micro = metrics.f1_score(truth, guessed, average="micro", zero_division=0)
    assert found.micro_f1 == pytest.approx(micro)
    # Of the labels that occur in the truth, as for one label a text.
    wanted = (
        metrics.f1_score(truth, guessed, average="macro", labels=there, zero_division=0)
        if there
        else 0.0
    )
    assert found.macro_f1 == pytest.approx(wanted)


@given(rows=st.integers(1, 40), seed=st.integers(0, 2**20))
@settings(max_examples=20, deadline=None)
def test_no_threshold_has_a_higher_f1_on_the_rows_that_chose_it(rows: int, seed: int) -> None:
    logits, truth = drawn(rows, seed)
    fitted = thresholds.fit(logits, truth)
    scores = fitted.probabilities(logits)
    for place, threshold in enumerate(fitted.thresholds):
        carried = truth[:, place]
        if carried.sum() < thresholds.FEWEST:
            assert threshold == 0.5
            continue
        possible = [0.5, *np.unique(scores[:, place])]
        best = max(f1(carried, scores[:, place] >= one) for one in possible)
        assert f1(carried, scores[:, place] >= threshold) == pytest.approx(best)
        assert 0 < threshold < 1


def test_a_half_stays_where_nothing_is_better() -> None:
    logits = np.array([[4.0], [3.0], [5.0], [4.0], [6.0], [-4.0], [-3.0]], dtype=np.float32)
    assert thresholds.fit(logits, logits > 0).thresholds == (0.5,)


@settings(max_examples=40, deadline=None)
@given(logits=st.lists(st.floats(-800, 800), min_size=4, max_size=4))
def test_an_answer_is_every_label_over_its_threshold(logits: list[float]) -> None:
    limits = (0.2, 0.5, 0.9, 0.999)
    found = answer(np.array(logits), LABELS, scoring=LabelSet(limits))
    wanted = torch.tensor(logits, dtype=torch.float64).sigmoid().tolist()
    assert list(found.scores.values()) == pytest.approx(wanted)
    assert set(found.labels) == {
        label for label, limit in zip(LABELS, limits, strict=True) if found.scores[label] >= limit
    }
    assert found.label == (found.labels[0] if found.labels else None)
    assert found.score == max(found.scores[label] for label in found.labels or LABELS)
    assert not found.abstained


def test_doubt_is_said_of_labels_that_were_given_and_none_is_an_answer() -> None:
    sure = {"scoring": HALF, "abstain_below": 0.9}
    assert answer(np.array([0.1, -9, -9, -9.0]), LABELS, **sure).abstained  # type: ignore[arg-type]
    assert not answer(np.array([-9, -9, -9, -9.0]), LABELS, **sure).abstained  # type: ignore[arg-type]


def test_one_label_is_a_set_of_one() -> None:
    assert answer(np.array([0.0, 2.0, 1.0, -1.0]), LABELS).labels == ("light",)


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy"])
def test_the_bootstrap_of_sets_of_one_is_that_of_single_labels(metric: str) -> None:
    random = np.random.default_rng(5)
    truth, artifact, teacher = (random.integers(0, 3, 200) for _ in range(3))
    groups = np.arange(200) // 2
    one = Paired(truth, artifact, teacher, groups, labels=3)
    sets = Paired(*(np.eye(3, dtype=bool)[side] for side in (truth, artifact, teacher)), groups, 3)
    single, several = kept_share(metric, one), kept_share(metric, sets)  # type: ignore[arg-type]
    assert several.point == pytest.approx(single.point)
    # Sets are counted by whether all of a row is right, so other kinds of groups are drawn.
    assert several.low == pytest.approx(single.low, abs=0.03)
    assert several.high == pytest.approx(single.high, abs=0.03)


def test_the_share_kept_is_that_of_scikit_learns_metrics() -> None:
    logits, truth = drawn(300, 3)
    worse = logits + np.random.default_rng(1).normal(0, 1, logits.shape)
    given_by = [HALF.given(side) for side in (worse, logits)]
    paired = Paired(truth, *given_by, np.arange(300), labels=4)
    macro = [metrics.f1_score(truth, one, average="macro") for one in given_by]
    exact = [metrics.accuracy_score(truth, one) for one in given_by]
    assert kept_share("macro_f1", paired).point == pytest.approx(macro[0] / macro[1])
    assert kept_share("accuracy", paired).point == pytest.approx(exact[0] / exact[1])


def test_a_verdict_on_sets() -> None:
    logits, truth = drawn(1500, 4)
    scorings = Scorings(HALF, HALF)
    near = logits + np.random.default_rng(1).normal(0, 0.05, logits.shape)
    asked = {"teacher_logits": logits, "scorings": scorings, "must": Must(keep=0.95)}
    kept = judge(as_rows(truth), near, LABELS, **asked)  # type: ignore[arg-type]
    assert (kept["verdict"], kept["several_labels"]) == ("PASS", True)
    assert judge(as_rows(truth), -near, LABELS, **asked)["verdict"] == "FAIL"  # type: ignore[arg-type]
    changed = (~equal(HALF.given(near), HALF.given(logits))).sum()
    assert kept["agreement"] == pytest.approx(1 - changed / 1500)
    flips = flip_rows(as_rows(truth), near, LABELS, teacher_logits=logits, scorings=scorings)
    assert len(flips) == changed
    assert kept["flips"]["worse"] == sum(flip["kind"] == "worse" for flip in flips)


def test_rows_of_the_other_kind_and_unknown_labels_are_told() -> None:
    sets, single = [Row("a", labels=("heat",))], [Row("a", label="heat")]
    assert right_answers(sets, LABELS, several=True).tolist() == [[True, False, False, False]]
    with pytest.raises(DataError, match="have the column 'label'; write 'labels'"):
        right_answers(single, LABELS, several=True)
    with pytest.raises(DataError, match="have the column 'labels'; write 'label'"):
        right_answers(sets, LABELS, several=False)
    with pytest.raises(DataError, match=r"labels that the model does not know: 'haet'"):
        right_answers([Row("a", labels=("haet",))], LABELS, several=True)


def test_the_loss_is_that_of_transformers() -> None:
    """BCEWithLogitsLoss over all labels; a text without a label says no to each."""
    logits = torch.tensor([[1.0, -2.0, 0.5, 0.0], [0.3, 0.1, -1.0, 2.0]])
    part = [Example((1,), 0, (0, 2)), Example((1,), 1, ())]
    head = SetHead(LABELS)
    rows = [Row("a", labels=("heat", "music")), Row("b", labels=())]
    found = head.loss(rows, smoothing=0.0, balance="none")(logits, part)
    wanted = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0]])
    assert found.item() == pytest.approx(torch.nn.BCEWithLogitsLoss()(logits, wanted).item())


def test_a_lesson_is_learnt_from_the_teachers_sigmoids_and_from_labels_that_are_there() -> None:
    taught = np.array([[2.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    part = [Example((1,), 0, (0,)), Example((1,), 1, (-1,))]
    head = SetHead(LABELS)
    same = torch.tensor(taught)
    lesson = head.lesson_loss(taught, temperature=2.0, hard_labels=0.0)
    assert lesson(same, part).item() == pytest.approx(0, abs=1e-6)
    other = same + 0.5
    p, q = ((side / 2.0).sigmoid() for side in (same, other))
    wanted = 4 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum() / 2
    assert lesson(other, part).item() == pytest.approx(wanted.item(), rel=1e-5)
    both = head.lesson_loss(taught, temperature=2.0, hard_labels=1.0)
    hard = torch.nn.functional.binary_cross_entropy_with_logits(
        other[0], torch.tensor([1.0, 0, 0, 0]), reduction="sum"
    )
    assert both(other, part).item() == pytest.approx(wanted.item() + hard.item() / 2, rel=1e-5)


def test_the_direction_has_the_fisher_information_of_independent_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.tensor([[1.0, -2.0, 0.0, 3.0]]).expand(4000, 4)
    found = SetHead(LABELS).direction(logits, generator)
    odds = logits[0].sigmoid()
    wanted = torch.diag(odds * (1 - odds))
    assert torch.allclose(found.T @ found / 4000, wanted, atol=0.02)


def test_a_teacher_with_labels_in_another_order_is_refused() -> None:
    truth = np.zeros((200, 4), dtype=bool)
    truth[:, 0] = True
    right = np.where(truth, 3.0, -3.0)
    SetHead(LABELS).check(right, as_rows(truth))
    truth[::2] = [[False, True, True, True]]
    with pytest.raises(Exception, match="worse than chance"):
        SetHead(LABELS).check(np.where(truth, -3.0, 3.0), as_rows(truth))


def test_rows_choose_the_head() -> None:
    from edgekit.recipe.dataset import Dataset

    dataset = Dataset(LABELS, (), (), (), (), {})
    assert isinstance(of(dataset), Head)
    several = Dataset(LABELS, (), (), (), (), {}, several=True)
    assert isinstance(of(several), SetHead)
    assert OneLabel().several is False

"""Labels from a chat model's scores, and what of their general likeliness is taken out."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.tasks.chat.labelling import Balance, Question, fit_balance


def test_all_that_does_not_depend_on_the_text_stands_before_it() -> None:
    question = Question.about(["yes", "no"], [("It is.", "yes")], instruction="Is it?")
    first, second = question.messages("a b c"), question.messages("x y z")
    assert first[:-1] == second[:-1]
    assert first[0]["content"].startswith("Is it?\nLabels: yes, no")
    assert [message["role"] for message in first] == ["user", "assistant", "user"]
    assert first[-1]["content"].removesuffix("a b c") == second[-1]["content"].removesuffix("x y z")


@pytest.mark.parametrize(
    ("labels", "examples", "said"),
    [
        ("yes,no", (), "list of texts"),
        (["yes"], (), "two labels"),
        (["yes", "yes"], (), "each once"),
        (["yes", " no"], (), "space"),
        (["yes", ""], (), "space"),
        (["yes", "no"], [("x", "yse")], "Did you mean 'yes'"),
    ],
)
def test_labels_that_cannot_be_asked_about_are_refused(
    labels: list[str], examples: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        Question.about(labels, examples)


def test_an_answer_has_the_scores_of_all_labels_and_abstains() -> None:
    question = Question.about(["a", "b"])
    scores = np.log([0.3, 0.1])
    answer = question.answer(scores, Balance(), abstain_below=0.8)
    assert (answer.label, answer.abstained) == ("a", True)
    assert answer.scores == pytest.approx({"a": 0.75, "b": 0.25})
    turned = question.answer(scores, Balance(bias=(2.0, 0.0)), abstain_below=0.0)
    assert turned.label == "b"


def rows(bias: float, count: int, seed: int = 0) -> tuple[list[np.ndarray], list[int]]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, count)
    clear = 2.0 * (np.arange(2) == truth[:, None]) + random.normal(0, 1, (count, 2))
    return list(clear + np.array([bias, 0.0])), truth.tolist()


def test_a_label_that_is_always_likelier_is_balanced() -> None:
    scores, truth = rows(4.0, 60)
    balance = fit_balance(scores, truth, 2)
    assert balance.bias[0] - balance.bias[1] > 1.5
    fresh, right = rows(4.0, 200, seed=1)

    def accuracy(bias: np.ndarray) -> float:
        found = [int(np.argmax(score - bias)) for score in fresh]
        return float(np.mean(np.array(found) == right))

    assert accuracy(np.array(balance.bias)) > accuracy(np.zeros(2)) + 0.2


def test_nothing_is_taken_where_it_does_not_help() -> None:
    """One label is likelier because it is more often right."""
    random = np.random.default_rng(0)
    truth = (random.random(80) < 0.1).astype(int)
    scores = 6.0 * (np.arange(2) == truth[:, None]) + random.normal(0, 0.5, (80, 2))
    assert fit_balance(list(scores), truth.tolist(), 2).bias == ()
    assert fit_balance([np.zeros(2)] * 4, [0] * 4, 2) == Balance()

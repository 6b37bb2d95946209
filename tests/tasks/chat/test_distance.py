"""Means over tokens with honest bounds, whatever the order of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.export.gguf.divergence import MEASURES, Tokenwise
from edgekit.tasks.chat.proof.distance import Bounds, bounds, rows_needed


def made(seed: int, documents: int, *, kld: float = 0.04) -> tuple[Tokenwise, np.ndarray]:
    """Documents of 5 to 50 tokens, some of them worse than others; and each token's document."""
    random = np.random.default_rng(seed)
    lengths = random.integers(5, 50, documents)
    document = np.repeat(np.arange(documents), lengths)
    level = random.gamma(4, kld / 4, documents)[document]
    parent = random.gamma(2, 1, len(document))
    found = Tokenwise(
        kld=random.exponential(level),
        parent_nll=parent,
        nll=parent + random.normal(0.01, 0.1, len(document)),
        same_top=random.random(len(document)) < 0.9,
    )
    return found, document


def test_measures_are_means_over_tokens() -> None:
    tokens, _ = made(1, 50)
    found = tokens.measures()
    assert found["tokens"] == len(tokens.kld)
    assert found["kld"] == pytest.approx(tokens.kld.sum() / len(tokens.kld))
    assert found["kld_p99"] == pytest.approx(np.sort(tokens.kld)[int(0.99 * len(tokens.kld))], 0.2)
    assert found["top1"] == pytest.approx(tokens.same_top.mean())
    assert found["ppl_ratio"] == pytest.approx(found["perplexity"] / found["parent_perplexity"])


def test_bounds_cover_the_truth_nineteen_times_in_twenty() -> None:
    """Of test sets drawn anew, 1 in 20 has a true mean above its upper bound, and as many below."""
    truth = 0.04
    above = below = 0
    for seed in range(1, 41):
        found = bounds(*made(seed, 60, kld=truth))["kld"]
        above += truth > found.high
        below += truth < found.low
    # 2 of 40 expected; by chance 8 or more once in 1,000.
    assert max(above, below) < 8
    assert above + below >= 1


@given(seed=st.integers(0, 100), documents=st.integers(1, 30))
@settings(max_examples=10)
def test_the_point_lies_between_its_bounds_and_the_order_of_documents_changes_nothing(
    seed: int, documents: int
) -> None:
    tokens, document = made(seed, documents)
    found = bounds(tokens, document, seed=seed)
    order = np.random.default_rng(seed).permutation(len(document))
    again = bounds(tokens.part(order), 7 * document[order] + 3, seed=seed)
    for name in MEASURES:
        assert found[name].low <= found[name].point + 1e-12
        assert found[name].point <= found[name].high + 1e-12
        assert found[name].groups == documents
        assert again[name].high == pytest.approx(found[name].high)
        assert found[name].point == pytest.approx(tokens.measures()[name])


def test_tokens_of_one_group_count_as_one() -> None:
    """Documents that belong together say less than so many apart."""
    tokens, document = made(3, 200)
    apart, together = bounds(tokens, document)["kld"], bounds(tokens, document // 20)["kld"]
    assert together.groups == 10
    assert apart.groups == 200
    assert apart.point == pytest.approx(together.point)


def test_the_nearer_the_limit_the_more_rows_it_takes() -> None:
    found = Bounds(point=0.04, low=0.03, high=0.05, groups=100)
    assert rows_needed(found, 0.06, 100) < rows_needed(found, 0.045, 100)
    assert rows_needed(found, 0.035, 100) > 100
    assert rows_needed(found, 0.04, 100) is None


def test_the_same_predictions_are_known_for_the_same() -> None:
    tokens, _ = made(4, 20)
    zero = np.zeros(len(tokens.kld))
    assert Tokenwise(zero + 1e-9, zero, zero, zero == 0).same
    assert not tokens.same

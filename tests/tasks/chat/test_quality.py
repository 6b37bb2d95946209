"""Divergence by language, and the verdict that follows from what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.export.gguf.divergence import Tokenwise
from edgekit.tasks.chat.proof.quality import ChatMust, judge, measure
from edgekit.tasks.chat.proof.verdict import MIN_GROUPS, MIN_LANGUAGE_TOKENS

LANGUAGES = ["ar", "en"]
MUST = ChatMust(kld=0.05, top1=0.85, ppl_ratio=1.05, worst_language_kld=0.1)


def made(
    rows: int, *, kld: float = 0.02, each: int = 40, languages: list[str] = LANGUAGES
) -> tuple[list[Row], Tokenwise, np.ndarray]:
    """So many documents of `each` tokens, the languages in turn."""
    random = np.random.default_rng(rows)
    data = [
        Row(f"text {number}", language=languages[number % len(languages)]) for number in range(rows)
    ]
    row_of = np.repeat(np.arange(rows), each)
    parent = random.gamma(2, 1, len(row_of))
    tokens = Tokenwise(
        kld=random.exponential(kld, len(row_of)),
        parent_nll=parent,
        nll=parent + random.normal(kld / 2, 0.1, len(row_of)),
        same_top=random.random(len(row_of)) < 0.92,
    )
    return data, tokens, row_of


def judged(
    data: list[Row], tokens: Tokenwise, row_of: np.ndarray, must: ChatMust = MUST
) -> dict[str, Any]:
    return judge(data, tokens, row_of, languages=LANGUAGES, must=must)


def test_result_has_the_promised_shape_and_is_json() -> None:
    result = json.loads(json.dumps(judged(*made(200))))
    assert {"tokens", "ppl_ratio", "kld", "kld_p99", "top1", "by_language", "verdict"} <= set(
        result
    )
    assert set(result["by_language"]) == set(LANGUAGES)
    assert {"tokens", "ppl_ratio", "kld", "kld_p99", "top1"} <= set(result["by_language"]["ar"])
    assert (result["rows"], result["tokens"]) == (200, 8000)


def test_what_is_asked_and_shown_passes_and_names_every_measure() -> None:
    result = judged(*made(200))
    assert result["verdict"] == "PASS"
    for said in ("nats a token", "perplexity", "likeliest tokens", "worst language"):
        assert said in result["why"]


@pytest.mark.parametrize(
    ("must", "said"),
    [
        (ChatMust(kld=0.005), "at least"),
        (ChatMust(top1=0.99), "99 % is asked"),
        (ChatMust(ppl_ratio=1.001), "1.001 is asked"),
        (ChatMust(worst_language_kld=0.01), "the worst language"),
    ],
)
def test_each_measure_alone_can_fail(must: ChatMust, said: str) -> None:
    result = judged(*made(200), must=must)
    assert result["verdict"] == "FAIL"
    assert said in result["why"]
    assert result["rows_needed"] is None


def test_a_bound_on_the_limit_is_inconclusive_and_names_how_many_rows_it_takes() -> None:
    data, tokens, row_of = made(40)
    limit = (float(tokens.kld.mean()) + judged(data, tokens, row_of)["bounds"]["kld"]["high"]) / 2
    result = judged(data, tokens, row_of, must=ChatMust(kld=limit))
    assert result["verdict"] == "INCONCLUSIVE"
    assert result["rows_needed"] > 40
    assert f"{result['rows_needed']:,}" in result["why"]


def test_few_documents_prove_nothing_however_long() -> None:
    few = made(MIN_GROUPS - 1, each=2000)
    assert judged(*few, must=ChatMust(kld=0.05))["verdict"] == "INCONCLUSIVE"
    assert "too few" in judged(*few, must=ChatMust(kld=0.05))["why"]
    # Rows of one group are one document.
    data, tokens, row_of = made(200)
    grouped = [replace(row, group=f"g{number % 5}") for number, row in enumerate(data)]
    assert judged(grouped, tokens, row_of, must=ChatMust(kld=0.05))["verdict"] == "INCONCLUSIVE"


def test_the_same_function_passes_on_one_document() -> None:
    data, tokens, row_of = made(1, each=10)
    same = replace(tokens, kld=np.zeros(10), nll=tokens.parent_nll, same_top=np.ones(10, bool))
    assert judged(data, same, row_of, must=ChatMust(kld=0.001, top1=1.0))["verdict"] == "PASS"


def test_one_bad_language_fails_the_whole() -> None:
    data, tokens, row_of = made(400)
    arabic = np.array([data[row].language == "ar" for row in row_of])
    spoilt = replace(tokens, kld=np.where(arabic, tokens.kld * 4, tokens.kld / 4))
    must = ChatMust(kld=0.05, worst_language_kld=0.06)
    result = judged(data, spoilt, row_of, must=must)
    assert (result["verdict"], result["worst_language"]["language"]) == ("FAIL", "ar")
    assert "In Arabic" in result["why"]


def test_languages_outside_the_recipe_are_reported_apart() -> None:
    data, tokens, row_of = made(200)
    alone = judged(data, tokens, row_of)
    strange, bad, rows = made(50, kld=3.0, languages=["hi"])
    both = Tokenwise(*(np.concatenate([getattr(one, name) for one in (tokens, bad)])
                       for name in ("kld", "parent_nll", "nll", "same_top")))  # fmt: skip
    result = judged(data + strange, both, np.concatenate([row_of, rows + len(data)]))
    assert result.pop("other_languages")["hi"]["kld"] > 2
    assert alone.pop("other_languages") == {}
    assert result == alone


def test_small_and_missing_languages_are_named() -> None:
    data, tokens, row_of = made(60, each=20, languages=["en", "fr", "en"])
    result = judge(
        data, tokens, row_of, languages=["en", "fr", "sw"], must=ChatMust(worst_language_kld=0.1)
    )
    assert result["small_languages"] == {"en": 800, "fr": 400}
    assert max(result["small_languages"].values()) < MIN_LANGUAGE_TOKENS
    assert result["languages_without_rows"] == ["sw"]
    assert (result["verdict"], result["worst_language"]) == ("INCONCLUSIVE", None)
    assert "column 'language'" in result["why"]


def test_nothing_asked_gives_no_verdict_and_no_row_is_an_error() -> None:
    assert judged(*made(50), must=ChatMust())["verdict"] is None
    data, tokens, row_of = made(50, languages=["hi"])
    with pytest.raises(DataError, match="No row is in a language of the recipe"):
        judged(data, tokens, row_of)


def test_alone_there_is_a_perplexity_by_language() -> None:
    data, tokens, row_of = made(50)
    result = measure(data, tokens.nll, row_of, languages=LANGUAGES)
    assert result["perplexity"] == pytest.approx(np.exp(tokens.nll.mean()))
    assert set(result["by_language"]) == set(LANGUAGES)
    assert "verdict" not in result

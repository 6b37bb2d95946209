"""Summaries judged against people's, a lead's and the teacher's: numbers, languages, verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.judging.noninferiority import kept_mean
from edgekit.tasks.summarization.proof import rouge
from edgekit.tasks.summarization.proof.quality import SummaryMust, changed_rows, judge

PLACE = np.array([0])


def scored(text: str, reference: str, summary: str) -> dict[str, float]:
    return rouge.score([text], [reference], [summary]).means(PLACE)


def test_rouge_of_a_pair_by_hand() -> None:
    """Of 4 and 5 words 3 are shared, in one order; of 3 and 4 pairs, one."""
    found = scored("-", "the cat sat down", "the cat then sat here")
    assert found["rouge1"] == pytest.approx(2 * (3 / 5) * (3 / 4) / (3 / 5 + 3 / 4))
    assert found["rougeLsum"] == pytest.approx(found["rouge1"])
    assert found["rouge2"] == pytest.approx(2 * (1 / 4) * (1 / 3) / (1 / 4 + 1 / 3))


@pytest.mark.parametrize(
    "text",
    [
        "المريض يعاني من الحمى",
        "रोगी को बुखार है",
        "病人发烧了",
        "ผู้ป่วยมีไข้",
        "Пациент болен",
        "患者は熱がある",
    ],
)
def test_every_script_has_words(text: str) -> None:
    found = scored(text, text, text)
    assert [found[name] for name in rouge.METRICS] == pytest.approx([1, 1, 1, 1])
    assert scored(text, text, "nothing alike")["rouge1"] == 0


def test_what_to_look_out_for() -> None:
    found = scored("It costs 5 in Rome.", "It costs 5.", "It costs 7, it costs 7 in Paris.")
    assert found["unsupported"] == 1
    assert found["new_pairs"] > 0.5
    assert found["repetition"] == pytest.approx(2 / 7)
    assert found["length_ratio"] == pytest.approx(8 / 3)


def test_a_lead_is_as_long_as_the_summary() -> None:
    text = "One two three. Four five six. Seven eight nine."
    assert rouge.lead(text, "a b c") == "One two three."
    assert rouge.lead(text, "a b c d e") == "One two three. Four five"
    assert rouge.lead(text, "a b") == "One two"
    assert rouge.lead("这是第一句。这是第二句。", "这是第") == "这是第"


def rows(count: int = 300) -> list[Row]:
    """References that are in the middle of their text; languages in turn."""
    return [
        Row(
            text=f"Beginning of it {n}. The point is number {n} here. The end of it.",
            summary=f"The point is number {n} here.",
            language=("en", "fr")[n % 2],
            group=str(n),
        )
        for n in range(count)
    ]


def points(found: list[Row]) -> list[str]:
    return [str(row.summary) for row in found]


def test_a_summary_as_good_as_the_teachers_passes() -> None:
    found = rows()
    result = judge(
        found, points(found), teacher=points(found), must=SummaryMust("rougeLsum", 0.98, 0.97)
    )
    assert result["verdict"] == "PASS"
    assert (result["rows"], result["kept"], result["agreement"]) == (300, 1.0, 1.0)
    assert result["rougeLsum"] == result["teacher"]["rougeLsum"] == 1
    assert result["lead"]["rougeLsum"] < 0.5
    assert result["over_lead"]["low"] > 1.5
    assert result["by_language"]["fr"]["beats_lead"]
    assert result["worst_language"]["kept"] == 1


def test_a_loss_fails_and_few_rows_decide_nothing() -> None:
    found = rows()
    worse = [text if n % 3 else "Something else." for n, text in enumerate(points(found))]
    must = SummaryMust(keep=0.95)
    assert judge(found, worse, teacher=points(found), must=must)["verdict"] == "FAIL"
    few = judge(found[:12], points(found)[:12], teacher=points(found)[:12], must=must)
    assert few["verdict"] == "INCONCLUSIVE"
    assert few["rows_needed"] > 12
    assert judge(found, points(found), teacher=points(found))["verdict"] is None


def test_one_bad_language_fails_it() -> None:
    found = rows()
    worse = [text if n % 2 else text[:12] for n, text in enumerate(points(found))]
    result = judge(
        found, worse, teacher=points(found), must=SummaryMust("rouge1", None, worst_language=0.9)
    )
    assert result["worst_language"]["language"] == "en"
    assert result["verdict"] == "FAIL"


def test_a_lead_that_wins_is_said_by_language() -> None:
    found = [Row(f"Point {n} is made. More of it follows here.", summary=f"Point {n} is made.",
                 language="en") for n in range(20)]  # fmt: skip
    result = judge(found, ["More of it follows"] * 20)
    assert not result["by_language"]["en"]["beats_lead"]
    assert "teacher" not in result


def test_other_languages_are_apart_and_none_is_refused() -> None:
    found = rows(20)
    result = judge(found, points(found), languages=["fr", "sw"])
    assert (result["rows"], result["other_languages"]["en"]["rows"]) == (10, 10)
    assert result["languages_without_rows"] == ["sw"]
    with pytest.raises(DataError):
        judge(found, points(found), languages=["sw"])


def test_changed_rows_are_those_and_the_worst_comes_first() -> None:
    found = rows(4)
    small = points(found)
    small[2], small[3] = "Something else.", f"{small[3]} And more."
    changed = changed_rows(found, small, points(found))
    assert [one["artifact"] for one in changed] == [small[2], small[3]]
    assert changed[0]["kind"] == "worse"


def test_the_bounds_of_a_mean_draw_whole_groups() -> None:
    generator = np.random.default_rng(3)
    teacher = generator.uniform(0.2, 0.6, 400)
    artifact = teacher * generator.choice([0.8, 1.0], 400)
    groups = np.arange(400)
    alone = kept_mean(artifact, teacher, groups)
    assert alone.low < alone.point < alone.high
    assert alone.point == pytest.approx(artifact.sum() / teacher.sum())
    shuffled = generator.permutation(400)
    assert kept_mean(artifact[shuffled], teacher[shuffled], groups) == alone
    together = kept_mean(np.repeat(artifact, 4), np.repeat(teacher, 4), np.repeat(groups, 4))
    assert together.low == pytest.approx(alone.low)
    assert kept_mean(np.zeros(3), np.zeros(3), np.arange(3)).point == 1

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edgekit.samples.intents import Template, fold
from edgekit.samples.splits import (
    TEST,
    TRAIN,
    VALIDATION,
    Share,
    divide,
    pick,
    without_contradictions,
)


def template(number: int, *, intent: str = "On", language: str = "en") -> Template:
    return Template(f"{language}/{intent}/{number}", language, intent, f"t{number}", ())


@given(st.integers(1, 60), st.integers(0, 5))
def test_every_template_is_in_exactly_one_set(count: int, seed: int) -> None:
    templates = [template(number) for number in range(count)]
    sets = divide(templates, seed=seed)
    assert Counter(one for members in sets.values() for one in members) == Counter(templates)
    assert sets[TRAIN]
    assert bool(sets[TEST]) == (count >= 2)
    assert bool(sets[VALIDATION]) == (count >= 4)
    assert len(sets[TRAIN]) >= len(sets[TEST]) >= len(sets[VALIDATION])


def test_each_label_of_each_language_is_divided_by_itself() -> None:
    templates = [
        template(number, intent=intent, language=language)
        for intent in ("On", "Off")
        for language in ("en", "fr")
        for number in range(20)
    ]
    sets = divide(templates, seed=1)
    for name, expected in ((TRAIN, 13), (VALIDATION, 2), (TEST, 5)):
        counts = Counter((one.intent, one.language) for one in sets[name])
        assert set(counts.values()) == {expected}


def test_the_division_does_not_depend_on_the_order_of_the_package() -> None:
    templates = [template(number) for number in range(20)]
    forward, backward = divide(templates, seed=1), divide(templates[::-1], seed=1)
    assert forward == backward
    assert divide(templates, seed=2) != forward


def test_a_text_of_two_labels_is_dropped_from_both() -> None:
    on, off = template(1), template(2, intent="Off", language="fr")
    pool = without_contradictions({on: ["stop", "start"], off: ["Stop ", "halt"]})
    assert pool == {on: ["start"], off: ["halt"]}


def test_templates_take_turns_up_to_the_share() -> None:
    many, few = template(1), template(2)
    pool = {many: [f"many {number}" for number in range(9)], few: ["few 0"]}
    rows = pick([many, few], pool, share=Share(rows=4, rows_per_template=9), taken=set())
    assert [row.text for row in rows] == ["many 0", "few 0", "many 1", "many 2"]
    assert {row.group for row in rows} == {many.id, few.id}

    rows = pick([many, few], pool, share=Share(rows=9, rows_per_template=2), taken=set())
    assert len(rows) == 3


@given(st.lists(st.lists(st.text("abA ", min_size=1), max_size=4), max_size=4))
def test_no_text_is_picked_twice_in_all_sets_together(texts: list[list[str]]) -> None:
    pool = {template(number): members for number, members in enumerate(texts)}
    taken: set[str] = set()
    share = Share(rows=100, rows_per_template=100)
    picked = [pick([one], pool, share=share, taken=taken) for one in pool]
    folded = [fold(row.text) for rows in picked for row in rows]
    assert len(folded) == len(set(folded))
    assert set(folded) == {fold(text) for members in texts for text in members}

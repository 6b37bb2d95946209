from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.samples import home_intents, intents
from edgekit.samples.intents import Grammar, fold, tidy

MakeGrammar = Callable[..., Grammar]


def all_sentences(grammar: Grammar, count: int = 60) -> list[str]:
    return [
        text
        for template in grammar.templates
        for text in grammar.sentences(template, count=count, seed=1)
    ]


def test_a_template_gives_all_its_wordings_once(grammar: MakeGrammar) -> None:
    made = grammar({"Greet": ["(good|nice) (morning|evening) [<who>]"]}, rules={"who": "you all"})
    assert {fold(text) for text in all_sentences(made)} == {
        f"{how} {when}{who}"
        for how in ("good", "nice")
        for when in ("morning", "evening")
        for who in ("", " you all")
    }


def test_permutations_lists_and_ranges_are_filled_in(grammar: MakeGrammar) -> None:
    made = grammar(
        {"Set": ["(set {level};{color:shade}) now", "{1..3:count} times"]},
        lists={
            "level": {"range": {"from": 10, "to": 90, "step": 40}},
            "color": {"values": [{"in": "(red|scarlet)", "out": "red"}, "blue"]},
        },
    )
    texts = {fold(text) for text in all_sentences(made)}
    assert {text for text in texts if "times" in text} == {"1 times", "2 times", "3 times"}
    levels, colors = ("10", "50", "90"), ("red", "scarlet", "blue")
    pairs = [(f"set {level}", color) for level in levels for color in colors]
    assert texts - {"1 times", "2 times", "3 times"} == {
        f"{text} now" for one, other in pairs for text in (f"{one} {other}", f"{other} {one}")
    }


def test_names_are_those_of_the_device_that_the_template_is_for(grammar: MakeGrammar) -> None:
    made = grammar({"HassTurnOn": ["start {name}"]}, domain="media_player")
    expected = {fold(f"start {name}") for name in intents.names()["en"]["media_player"]}
    assert {fold(text) for text in all_sentences(made)} == expected


def test_the_same_seed_gives_the_same_sentences_and_another_others(grammar: MakeGrammar) -> None:
    made = grammar(
        {"Set": ["[please] set {area} to {level}"]},
        lists={"level": {"range": {"from": 0, "to": 99}}},
    )
    (template,) = made.templates
    first = made.sentences(template, count=10, seed=1)
    assert len({fold(text) for text in first}) == 10
    assert made.sentences(template, count=10, seed=1) == first
    assert made.sentences(template, count=10, seed=2) != first


def test_the_same_template_under_one_intent_is_one_template(grammar: MakeGrammar) -> None:
    made = grammar({"On": ["{name} on", "{name} on"], "Off": ["{name} on"]}, domain="light")
    assert len(made.templates) == 2
    assert len({template.id for template in made.templates}) == 2


def test_every_language_of_the_sample_has_every_name() -> None:
    names = intents.names()
    assert set(names) == {*home_intents.LANGUAGES, *home_intents.ZERO_SHOT}
    for language, kinds in names.items():
        assert kinds.keys() == names["en"].keys(), language
        for kind, values in kinds.items():
            assert len(set(values)) == len(values) >= 2, (language, kind)


@given(st.text())
def test_tidy_leaves_nothing_to_tidy(text: str) -> None:
    once = tidy(text)
    assert once == once.strip()
    assert "  " not in once


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("  turn   on ", "turn on"),
        ("ground floor floor light", "ground floor light"),
        ("one , two .", "one, two."),
        ("两个 两个灯", "两个 两个灯"),
    ],
)
def test_tidy(text: str, tidied: str) -> None:
    assert tidy(text) == tidied

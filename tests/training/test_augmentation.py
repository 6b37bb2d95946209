from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgekit.training.augmentation import augment, units

WORDS = ["lamp", "على", "on", "灯打开", "in", "the", "hall", "കിടപ്പുമുറി", "ที่นี่", "22°"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), max_size=9)


@given(st.text())
def test_units_are_the_text_and_never_begin_with_a_sign(text: str) -> None:
    assert "".join(units(text)) == text.lstrip()


def test_units_are_words_or_characters_where_nothing_divides_words() -> None:
    assert units("turn on  the lamp") == ["turn ", "on  ", "the ", "lamp"]
    assert units("打开 22度的灯") == ["打", "开 ", "22", "度", "的", "灯"]
    assert units("ที่นี่") == ["ที่", "นี่"]


@given(TEXTS, st.integers(0, 3), st.integers(0, 5))
def test_new_texts_are_new_and_made_of_the_given_units(
    texts: list[str], copies: int, seed: int
) -> None:
    given_texts = [(text, "en") for text in texts]
    found = augment(given_texts, copies=copies, seed=seed, taken={"lamp on"})
    assert len(found) <= copies * len(texts)
    assert len(set(found)) == len(found)
    assert not {*texts, "lamp on"} & set(found)
    known = {unit.strip() for text in texts for unit in units(text)}
    assert {unit.strip() for text in found for unit in units(text)} <= known
    assert found == augment(given_texts, copies=copies, seed=seed, taken={"lamp on"})
    assert all(found)


def test_only_texts_of_one_language_are_spliced() -> None:
    rows: list[tuple[str, str | None]] = [
        ("a b c d", "en"), ("e f g h", "en"), ("1 2 3 4", "fr"), ("5 6 7 8", "fr"),
        ("w x y z", None), ("s t u v", None),
    ]  # fmt: skip
    found = augment(rows, copies=30, seed=1)
    kinds = [set("abcdefgh"), set("12345678"), set("wxyz"), set("stuv")]
    for text in found:
        assert sum(bool(set(text.split()) & kind) for kind in kinds) == 1, text
    spliced = [
        text
        for text in found
        if set(text.split()) & set("abcd") and set(text.split()) & set("efgh")
    ]
    assert spliced
    assert {len(text.split()) for text in found} >= {2, 3}


def test_of_pairs_the_first_text_stays_and_the_second_is_changed() -> None:
    pairs = [(("is it warm", "turn up the heating"), "en"), (("is it", "lamp on now"), "en")]
    found = augment(pairs, copies=3, seed=0)
    assert found
    assert {first for first, _ in found} <= {"is it warm", "is it"}
    assert not {second for _, second in found} & {"turn up the heating", "lamp on now"}
    assert augment([(("long enough a text", "word"), "en")], copies=3, seed=0) == []

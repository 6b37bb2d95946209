"""What a summary stands on: sentences of the text itself, and written ones by their words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgekit.data.sentences import flat, spans
from edgekit.tasks.summarization.attribution import MOST_SPANS, attribute
from edgekit.tasks.summarization.summary import Sentence

TEXT = (
    "The well in Kisumu gives 40 litres a minute. The school dug the well in 1998. "
    "Since March the pump of the well has failed. A new pump costs 900 dollars. "
    "The parents of the school have half of the money."
)


def found(*written: str, text: str = TEXT) -> list[list[str]]:
    """The sentences of the text that these stand on."""
    those = attribute([Sentence(one) for one in written], text, spans(text))
    return [[flat(text[one.start : one.end]) for one in some] for some in those]


def test_a_written_sentence_stands_on_the_one_that_shares_its_rare_words() -> None:
    assert found("Kisumu's well has 40 litres.") == [
        ["The well in Kisumu gives 40 litres a minute."]
    ]
    assert found("In 1998 the well was dug by a school.") == [["The school dug the well in 1998."]]


def test_two_that_were_drawn_together_are_both_named() -> None:
    both = found("The pump failed in March and costs 900 dollars.")[0]
    assert sorted(both) == [
        "A new pump costs 900 dollars.", "Since March the pump of the well has failed.",
    ]  # fmt: skip


def test_what_shares_only_common_words_stands_on_nothing() -> None:
    assert found("The roof of the church is blue and red.", "", "…") == [[], [], []]
    assert found("Anything at all.", text="") == [[]]


def test_scripts_without_spaces_are_compared_too() -> None:
    text = "基苏木的水井每分钟出水四十升。学校在一九九八年挖了这口井。新水泵要九百美元。"
    assert found("水泵的价格是九百美元。", text=text) == [["新水泵要九百美元。"]]


@given(st.lists(st.text(st.sampled_from("ab cd.。\n1"), max_size=30), max_size=8), st.data())
def test_a_sentence_of_the_text_stands_on_itself(pieces: list[str], data: st.DataObject) -> None:
    text = ". ".join(pieces)
    there = spans(text)
    chosen = data.draw(st.lists(st.sampled_from(there), max_size=4)) if there else []
    taken = [Sentence(flat(text[one.start : one.end]), one.start) for one in chosen]
    assert attribute(taken, text, there) == [(one,) for one in chosen]
    written = attribute([Sentence(one.text) for one in taken], text, there)
    assert all(len(those) <= MOST_SPANS and set(those) <= set(there) for those in written)

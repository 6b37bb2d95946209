"""Sentences and parts of texts in every script: nothing is lost, and every piece is bearable."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.data.sentences import MOST_CHARACTERS, flat, spans
from edgekit.errors import ContextOverflow
from edgekit.tasks.summarization.parts import split

CASES = {
    "latin": [
        'Dr. Smith said "It works."', "He left at 3.5 p.m. today!", "Really?", "It was so.",
    ],
    "german": ["Das ist z. B. ein Satz.", "Der 3. Teil folgt.", "Ende."],
    "small letters go on": ["Yahoo! is a company.", "It is old."],
    "cyrillic": ["Он ушёл в 2020 г. домой.", "Она осталась!"],
    "arabic": ["المريض يعاني من الحمى.", "هل هو بخير؟", "نعم."],
    "devanagari": ["रोगी को बुखार है।", "वह घर पर है।"],
    "amharic": ["ታካሚው ትኩሳት አለው።", "ቤት ነው።"],
    "no end at all": ["only words and no end"],
}  # fmt: skip


TOGETHER = {
    "chinese": ["这是第一句。", "这是“第二句！”", "第三句？"],
    "japanese": ["患者は熱があります。", "「休んでください。」", "彼は眠った。"],
}


@pytest.mark.parametrize("name", [*CASES, *TOGETHER])
def test_a_text_becomes_its_sentences(name: str) -> None:
    wanted = CASES.get(name) or TOGETHER[name]
    text = (" " if name in CASES else "").join(wanted)
    assert [flat(text[span.start : span.end]) for span in spans(text)] == wanted


def test_the_entries_of_a_list_stand_alone() -> None:
    text = "To buy:\n * bread\n * milk and honey"
    found = [flat(text[span.start : span.end]) for span in spans(text)]
    assert found == ["To buy:", "* bread", "* milk and honey"]


def test_lines_broken_at_a_margin_belong_together() -> None:
    text = (
        "This paragraph goes on over the margin for several lines, so that its lines\n"
        "must be put together again. The next one is\nshort.\n\nAnother paragraph."
    )
    found = spans(text)
    assert flat(text[found[0].start : found[0].end]).endswith("together again.")
    assert flat(text[found[1].start : found[1].end]) == "The next one is short."
    assert [span.paragraph for span in found] == [0, 0, 1]


# As a PDF's page has them: as wide as the letters make them, none a word short of the widest.
PAGE = (
    "The system has many things that need to be installed by the\n"
    "administrator, and every one of them is described in files of its own, which\n"
    "Clearwater and its neighbours wrote in the spring of 1998. Nothing\n"
    "else is read. Whoever changes them has to say so to all the others\n"
    "before the week is over."
)


def test_lines_of_a_page_without_a_straight_margin_are_sentences() -> None:
    assert sentences_of(PAGE) == [
        "The system has many things that need to be installed by the administrator, and every one "
        "of them is described in files of its own, which Clearwater and its neighbours wrote in "
        "the spring of 1998.",
        "Nothing else is read.",
        "Whoever changes them has to say so to all the others before the week is over.",
    ]


def test_narrow_columns_are_sentences_and_lists_of_names_are_not() -> None:
    column = (
        "The council met on\nTuesday and chose a new\nchair. Its members will\nvote again in May."
    )
    assert sentences_of(column) == [
        "The council met on Tuesday and chose a new chair.", "Its members will vote again in May.",
    ]  # fmt: skip
    names = "Ministry of Health and Wellbeing\nMinistry of Education and Sports\nTreasury"
    assert sentences_of(names) == names.split("\n")
    things = "bread and butter\nmilk and honey\ntea"
    assert sentences_of(things) == things.split("\n")


def test_a_heading_is_not_the_beginning_of_what_follows() -> None:
    for heading in ("What was agreed", "2.2. The files of a package"):
        assert sentences_of(f"{heading}\n{PAGE}")[0] == heading
        assert sentences_of(f"{PAGE}\n{heading}\n{PAGE}")[3] == heading


@pytest.mark.parametrize("gap", ["\n\n", "\n \n"])
def test_a_sentence_goes_on_behind_the_end_of_a_page_and_between_double_spaced_lines(
    gap: str,
) -> None:
    lines = PAGE.split("\n")
    whole = sentences_of(PAGE)
    assert sentences_of("\n".join(lines[:1]) + gap + "\n".join(lines[1:])) == whole
    assert sentences_of(gap.join([*lines[:2], "\n".join(lines[2:])]))[0].endswith("own, which")
    page = "المريض يعاني من الحمى منذ ثلاثة أيام ولم يأخذ دواء\n"
    page += "وقال الطبيب إنه يحتاج إلى راحة وماء. ثم عاد إلى البيت\n"
    page += "مع أخيه الذي جاء من المدينة البعيدة في الصباح وانتظر"
    after = "حتى المساء."
    assert sentences_of(page + gap + after)[-1].endswith(after)
    assert len(sentences_of(page + gap + after)) == 2


def test_a_paragraph_without_a_full_stop_is_not_the_beginning_of_the_next() -> None:
    first, second = "A text that has no full stop at its end and is wide", "The next one has."
    assert sentences_of(f"{first}\n\n{second}") == [first, second]
    assert sentences_of(f"{first}\f{second.lower()}") == [first, second.lower()]


def test_words_are_whole_where_a_line_ends() -> None:
    assert flat("a well-\nknown place") == "a well-known place"
    assert flat("a com\u00ad\nplete place of soft\u00adness") == "a complete place of softness"
    assert flat("from 3 -\n 4 days") == "from 3 - 4 days"


def test_a_row_of_a_million_dots_is_read_once() -> None:
    # Tried from every dot, it would take days.
    found = spans("Here it begins. " + "." * 1_000_000 + "x and ends.")
    assert (found[0].start, found[0].end) == (0, 15)


def test_the_dots_of_a_list_of_contents_are_no_sentences() -> None:
    text = "2.1 Syntax . . . . . . . . . . . . 3\n2.2. Naming . . . . . . . . . . . . 4"
    assert sentences_of(text) == text.split("\n")


def sentences_of(text: str) -> list[str]:
    return [flat(text[span.start : span.end]) for span in spans(text)]


def test_thai_which_has_no_full_stops_is_cut_at_spaces() -> None:
    phrase = "ผู้ป่วยมีไข้สูงมากในวันนี้และต้องพักผ่อนให้เพียงพอ "
    text = (phrase * 8).strip()
    found = spans(text)
    assert len(found) >= 4
    assert all(text[span.start : span.end].startswith("ผู้ป่วย") for span in found)


@given(st.text(alphabet=st.sampled_from("aB. \n!?。।،1)é\u0301ไ้字-\t"), max_size=400))
def test_no_letter_is_outside_of_the_sentences(text: str) -> None:
    found = spans(text)
    inside = "".join(text[span.start : span.end] for span in found)
    assert "".join(inside.split()) == "".join(text.split())
    assert all(a.end <= b.start for a, b in pairwise(found))


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "word " * 60_000, "A b c. " * 40_000, "\u0e01" * 90_000]
)
def test_a_line_without_ends_is_cut_to_bearable_pieces(text: str) -> None:
    assert max(span.end - span.start for span in spans(text)) <= MOST_CHARACTERS


@given(
    st.text(alphabet=st.sampled_from("ab. \n"), min_size=1, max_size=300),
    st.integers(min_value=1, max_value=40),
)
def test_parts_fit_and_are_all_of_the_text(text: str, window: int) -> None:
    parts = split(text, len, window=window)
    assert all(part.end - part.start <= window for part in parts)
    inside = "".join(text[part.start : part.end] for part in parts)
    assert "".join(inside.split()) == "".join(text.split())


def test_parts_end_with_paragraphs_where_they_can() -> None:
    paragraphs = ["A sentence of the text stands here. " * 6] * 12
    parts = split("\n\n".join(paragraphs), lambda text: len(text.split()), window=150)
    text = "\n\n".join(paragraphs)
    assert len(parts) == 4
    assert all(
        text[part.end :].lstrip(" ").startswith("\n\n") or part.end == len(text.rstrip())
        for part in parts
    )


def test_a_character_that_is_larger_than_the_window_is_refused() -> None:
    with pytest.raises(ContextOverflow):
        split("ab", lambda text: 5 * len(text), window=4)

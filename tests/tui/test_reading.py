"""What is said of a summary's pace comes from what was measured, and only from that."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgekit_tui import summary_file
from edgekit_tui.reading import Reading, Work
from edgekit_tui.summarizing import Made, Passage, SummaryJob, passages
from hypothesis import given
from hypothesis import strategies as st

from edgekit.data.documents import Document
from edgekit.errors import DataError
from edgekit.tasks.summarization.summary import Sentence, Summary, Told
from tests.tui.hostile import HOSTILE


def test_before_anything_was_measured_no_time_is_said() -> None:
    reading = Reading(Work(100, 20, writes=False), 5.0)
    assert reading.progress(9.0).seconds_left is None
    reading.hear(Told(0, 4), 9.0)
    assert reading.progress(9.0).seconds == 4.0
    assert reading.progress(9.0).words_per_second is None


def test_what_is_left_follows_from_the_parts_that_were_read() -> None:
    reading = Reading(Work(100, 20, writes=False), 5.0)
    reading.hear(Told(1, 4), 15.0)
    assert reading.progress(15.0).words_per_second == 2.5
    assert reading.progress(15.0).seconds_left == 30.0
    assert reading.progress(25.0).seconds_left == 20.0, "while the next part is read"
    assert reading.progress(99.0).seconds_left == 0.0
    reading.hear(Told(4, 4), 45.0)
    assert reading.progress(45.0).seconds_left == 0.0


def test_a_model_that_writes_has_its_notes_before_it() -> None:
    reading = Reading(Work(100, 20, writes=True), 0.0)
    reading.hear(Told(4, 4), 40.0)
    assert reading.progress(40.0).seconds_left == 10.0
    for at, piece in enumerate(("Five words ", "were written ", "now.")):
        reading.hear(Told(4, 4, piece), 42.0 + at)
    assert reading.progress(44.0).written == 5
    assert reading.progress(44.0).seconds_left == pytest.approx(15 / (5 / 2))


def test_what_was_measured_before_helps_until_there_is_better() -> None:
    reading = Reading(Work(100, 20, writes=True, known_rate=5.0), 0.0)
    assert reading.progress(8.0).seconds_left == 12.0
    reading.hear(Told(1, 2), 10.0)
    assert reading.progress(10.0).seconds_left == 20.0


def test_one_models_pace_says_nothing_of_two_in_turn() -> None:
    work = Work(100, 20, writes=True, in_turn=True)
    reading = Reading(work, 0.0)
    reading.hear(Told(1, 2), 10.0)
    assert reading.progress(10.0).seconds_left is None


@given(st.lists(st.tuples(st.integers(0, 9), st.text("ab ", max_size=9)), max_size=9))
def test_a_pace_is_never_below_nothing(heard: list[tuple[int, str]]) -> None:
    reading, now = Reading(Work(50, 10, writes=True, known_rate=1.0), 0.0), 0.0
    for parts_read, piece in heard:
        now += 0.5
        reading.hear(Told(parts_read, 9, piece), now)
        progress = reading.progress(now)
        assert progress.seconds_left is None or progress.seconds_left >= 0
        assert progress.words_per_second is None or progress.words_per_second >= 0


def test_a_sentence_stands_among_what_surrounds_it_also_where_it_is_a_paragraph() -> None:
    title, first = "The wells", "Every well was measured in the spring, and all of them by one man."
    text = f"{title}\n\n{first}\n\nHalf of them\nwere dry. {'The rest was salt. ' * 20}"
    sentence = "Half of them were dry."
    summary = Summary(sentence, 1, 1, (Sentence(sentence, text.index("Half")),), "scripted")
    ((found,),) = passages(summary, Document(text))
    assert found.text == sentence
    assert found.before == f"{title}\n{first}\n"
    assert found.after.startswith("The rest was salt. The rest")
    assert len(found.after) < 200


def made(text: str) -> Made:
    summary = Summary(text, 1, 1, (Sentence(text),), "scripted", flagged=(text,), warnings=(text,))
    return Made(summary, ((Passage(text, text, text, None, 0.5),),), 1.0)


@pytest.mark.parametrize("ending", summary_file.ENDINGS)
def test_a_file_holds_nothing_that_a_terminal_would_obey(ending: str) -> None:
    for text in HOSTILE:
        out = Path(f"summary{ending}")
        job = SummaryJob(Path("tiny"), Document(text, warnings=(text,)), 20, 1, name=text)
        summary_file.export(made(f"lamp {text}"), job, out)
        written = out.read_text(encoding="utf-8")
        assert "lamp" in written
        assert "SECRET" not in written
        assert all(letter.isprintable() or letter == "\n" for letter in written)
        out.unlink()


def test_right_to_left_text_keeps_its_order_and_nothing_is_overwritten() -> None:
    text = "المضخة الجديدة تكلف 900 دولار."
    job = SummaryJob(Path("tiny"), Document(text), 20, 5, name="رسالة.txt")
    summary_file.export(made(text), job, Path("a.txt"))
    assert text in Path("a.txt").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="choose another name"):
        summary_file.export(made(text), job, Path("a.txt"))

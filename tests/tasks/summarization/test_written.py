"""Long texts by a model that writes: parts, notes, a stop, a kill, and what it made up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edgekit.errors import DataError
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization.checking import unsupported
from edgekit.tasks.summarization.resume import Notes
from edgekit.tasks.summarization.stream import Here, SummaryStream
from edgekit.tasks.summarization.summary import Summary, Told, Wanted
from edgekit.tasks.summarization.written import Shortening, Writing


class FirstWords:
    """A Shortener that keeps the beginning of what it reads; tokens are words."""

    def __init__(self, window: int = 60, *, keeps: int = 10, fails_at: int = -1) -> None:
        self.window, self.keeps, self.fails_at = window, keeps, fails_at
        self.read: list[str] = []

    def count(self, text: str) -> int:
        return len(text.split())

    def shorten(self, text: str, *, words: int, on_piece: Callable[[str], None]) -> str:
        assert self.count(text) <= self.window
        if len(self.read) == self.fails_at:
            raise KeyboardInterrupt
        self.read.append(text)
        kept = text.split()[: self.keeps]
        for word in kept:
            on_piece(word + " ")
        return " ".join(kept)


TEXT = "\n\n".join(
    " ".join(f"Part {part} has sentence {n} in it." for n in range(8)) for part in range(12)
)


def summary(
    model: FirstWords,
    text: str = TEXT,
    *,
    kept: Path | None = None,
    cancel: Cancel | None = None,
    tell: Callable[[Told], None] = lambda told: None,
) -> Summary:
    wanted = Wanted(20, "en", None if kept is None else str(kept))
    writing = Writing(
        Shortening(model), wanted, engine="seq2seq", model="one", tell=tell,
        cancel=cancel or Cancel(),
    )  # fmt: skip
    return writing.summary(text)


def test_a_text_that_fits_is_read_once() -> None:
    model = FirstWords()
    found = summary(model, "It has few words. They fit.")
    assert (found.text, found.parts_read, found.parts) == ("It has few words. They fit.", 1, 1)
    assert len(model.read) == 1


def test_every_part_of_a_long_text_is_read_and_told() -> None:
    model, told = FirstWords(), list[Told]()
    found = summary(model, tell=told.append)
    assert found.parts_read == found.parts == 12
    assert all(any(f"Part {part} " in text for text in model.read) for part in range(12))
    assert [one.parts_read for one in told if not one.piece] == list(range(13))
    assert "".join(one.piece for one in told).strip() == found.text
    assert "Part 0" in found.text


def test_a_model_that_hardly_shortens_comes_to_an_end() -> None:
    model = FirstWords(keeps=58)
    found = summary(model)
    assert found.parts_read == 12
    assert found.text


def test_ten_megabytes_in_one_line_without_an_end_are_read_whole() -> None:
    model = FirstWords(window=5_000)
    text = " ".join(f"word{number:06}" for number in range(910_000))
    found = summary(model, text)
    assert found.parts_read == found.parts > 180
    assert sum(len(part.split()) for part in model.read[: found.parts]) == 910_000
    assert found.text


@pytest.mark.parametrize(
    "text",
    [
        "lamp",
        "The lamp is on.",
        "درجة الحرارة 39.5 في الغرفة 12 منذ 3 أيام.",
        "The lamp is on. Die Lampe ist an. 灯亮了。 Лампа горит.",
    ],
    ids=["one word", "shorter than asked", "right to left, with numbers", "several languages"],
)
def test_a_short_text_is_read_once_and_nothing_of_it_is_held_for_made_up(text: str) -> None:
    found = summary(FirstWords(keeps=100), text)
    assert found.text.split() == text.split()
    assert (found.parts_read, found.parts, found.flagged) == (1, 1, ())


def test_cancelled_it_gives_the_notes_so_far() -> None:
    cancel = Cancel()

    def tell(told: Told) -> None:
        if told.parts_read == 3:
            cancel.set()

    found = summary(FirstWords(), cancel=cancel, tell=tell)
    assert found.cancelled
    assert (found.parts_read, found.parts) == (3, 12)
    assert [line.split()[1] for line in found.text.split("\n")] == ["0", "1", "2"]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "notes.json"
    with pytest.raises(KeyboardInterrupt):
        summary(FirstWords(fails_at=5), kept=kept)
    model = FirstWords()
    again = summary(model, kept=kept)
    fresh = FirstWords()
    assert again == summary(fresh)
    assert len(fresh.read) - len(model.read) == 5
    assert not kept.exists()


def test_notes_of_another_model_or_damaged_ones_are_no_use(tmp_path: Path) -> None:
    path = str(tmp_path / "notes.json")
    Notes(path, "one").put("a note", "part")
    assert Notes(path, "one").get("part") == "a note"
    assert Notes(path, "two").get("part") is None
    Path(path).write_text("{", "utf-8")
    assert Notes(path, "one").get("part") is None


SOURCE = "Anna Novák paid 1,000 euros in Berlin on 3 May 2024; Karla waited. ١٢٣ رقم."


@pytest.mark.parametrize(
    ("said", "strange"),
    [
        ("In Berlin she paid 1000 euros.", ()),
        ("On 5 May she paid 1 000 euros.", ("5",)),
        ("It was the year 2025.", ("2025",)),
        ("They met in Hamburg.", ("Hamburg",)),
        ("We told Karle of it.", ()),
        ("The number is 123.", ()),
        ("He is called by NATO.", ("NATO",)),
    ],
)
def test_numbers_and_names_that_the_text_does_not_have(said: str, strange: Sequence[str]) -> None:
    assert unsupported(said, SOURCE) == tuple(strange)


def test_what_was_made_up_is_flagged_in_the_summary() -> None:
    class MakesUp(FirstWords):
        def shorten(self, text: str, *, words: int, on_piece: Callable[[str], None]) -> str:
            return "It says 4711 in Timbuktu."

    assert summary(MakesUp(), "It has few words.").flagged == ("4711", "Timbuktu")


def test_whoever_is_interrupted_while_waiting_still_gets_what_was_read() -> None:
    def interrupted(told: Told) -> None:
        if told.parts_read == 2 and not seen:
            seen.append(told)
            raise KeyboardInterrupt

    def make(tell: Callable[[Told], None], cancel: Cancel) -> Summary:
        class Waits(FirstWords):
            def shorten(self, text: str, *, words: int, on_piece: Callable[[str], None]) -> str:
                if len(self.read) == 2:
                    stopped.wait(60)
                return super().shorten(text, words=words, on_piece=on_piece)

        return summary(Waits(), cancel=cancel, tell=tell)

    seen: list[Told] = []
    stopped = threading.Event()
    stream = SummaryStream(Here(make, on_cancel=stopped.set), on_told=interrupted)
    with pytest.raises(KeyboardInterrupt):
        stream.summary()
    stream.cancel()
    found = stream.summary()
    assert (found.cancelled, found.parts_read) == (True, 2)


def test_what_goes_wrong_in_the_thread_is_heard_each_time() -> None:
    def make(tell: Callable[[Told], None], cancel: Cancel) -> Summary:
        raise DataError("broken")

    stream = SummaryStream(Here(make))
    for _ in range(2):
        with pytest.raises(DataError, match="broken"):
            stream.summary()
    stream.close()

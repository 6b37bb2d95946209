"""Chats on the disk: nothing acknowledged is lost, whatever other apps and broken disks do."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from edgekit_tui import database, history, transcript
from edgekit_tui.history import Chat, ChatSettings, History
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import DataError, EdgekitError, OutOfDisk

PATH = Path("private/chats.sqlite")


@pytest.fixture
def kept() -> History:
    return History(PATH, now=lambda: 1000.0)


def say(kept: History, *texts: str) -> Chat:
    """A chat in which person and model take turns."""
    chat = kept.begin("tiny", ChatSettings(), texts[0])
    for place, text in enumerate(texts[1:], 1):
        if place % 2:
            kept.answer(chat.id, text, turn=None, ended="stop")
        else:
            kept.say(chat.id, text)
    return kept.chat(chat.id)


def texts(kept: History, chat: Chat) -> list[str]:
    return [turn.text for turn in kept.turns(chat.id, most=1000)]


def test_what_was_said_is_there_for_the_next_app(kept: History) -> None:
    chat = say(kept, "  How are\nyou? ", "Well.")
    assert chat.title == "How are you?"
    other = History(PATH)
    assert texts(other, other.chats()[0]) == ["  How are\nyou? ", "Well."]


def test_files_are_private(kept: History) -> None:
    say(kept, "secret")
    files = list(PATH.parent.iterdir())
    assert len(files) == 3, "the log stands beside the database"
    assert PATH.parent.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_every_commit_is_on_the_disk_itself(kept: History) -> None:
    assert kept._database.ask("PRAGMA journal_mode")[0][0] == "wal"
    assert kept._database.ask("PRAGMA synchronous")[0][0] == 2, "FULL"


def test_a_folder_that_cannot_be_used_is_a_sentence() -> None:
    PATH.parent.write_text("a file")
    with pytest.raises(EdgekitError, match="set EDGEKIT_DATA"):
        History(PATH).chats()


def test_a_growing_answer_replaces_what_was_kept_of_it(kept: History) -> None:
    chat = say(kept, "question")
    turn = kept.answer(chat.id, "On", turn=None).id
    assert kept.answer(chat.id, "Once upon", turn=turn).id == turn
    assert texts(kept, chat) == ["question", "Once upon"]
    assert kept.search("upon")[0].id == chat.id
    kept.delete(chat.id)
    with pytest.raises(DataError, match="changed by another app"):
        kept.answer(chat.id, "Once upon a", turn=turn)
    with pytest.raises(DataError, match="deleted meanwhile"):
        kept.answer(chat.id, "Once upon a", turn=None)


def test_a_message_sent_again_takes_the_place_of_what_followed(kept: History) -> None:
    chat = say(kept, "one", "1", "two", "2", "three")
    second = kept.question_before(chat.id, kept.question_before(chat.id).id)  # type: ignore[union-attr]
    assert second is not None
    kept.say(chat.id, "zwei", instead_of=second.id)
    assert texts(kept, chat) == ["one", "1", "zwei"]
    assert kept.search("three") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("LAMP", 1), ("kitchen lamp", 1), ("lamp garden", 0), ("关灯", 1), ("灯", 1), ("बत्ती", 1),
        ("ÉTEINS", 1), ("É", 1), ("المطبخ", 1), ('" OR lamp', 0), ("*", 0), ("NEAR(", 0), ("%", 0),
        ("title", 1), ("ti", 1),
    ],
)  # fmt: skip
def test_every_script_is_searched(query: str, found: int, kept: History) -> None:
    for text in ("the kitchen Lamp", "请关灯", "बत्ती जलाओ", "éteins tout", "أطفئ المطبخ"):
        say(kept, "ask", text)
    kept.rename(say(kept, "nothing").id, "A Title")
    assert len(kept.search(query)) == found


def test_a_search_shows_where_it_found_the_words(kept: History) -> None:
    say(kept, "question", "far " * 50 + "the needle " + "away " * 50)
    (chat,) = kept.search("needle")
    assert "the needle away" in chat.found
    assert chat.found.startswith("…")
    assert chat.found.endswith("…")


@given(st.text(min_size=1))
def test_any_text_is_found_by_itself(text: str) -> None:
    kept = History(None)
    words = text.split()
    chat = say(kept, "question", text.encode("utf-8", "replace").decode())
    if words and "\0" not in text and text.encode("utf-8", "replace").decode() == text:
        assert chat.id in [one.id for one in kept.search(words[0])]


def test_a_fork_goes_its_own_way(kept: History) -> None:
    chat = say(kept, "one", "1")
    copy = kept.fork(chat.id, "copy")
    kept.say(copy.id, "two")
    assert texts(kept, chat) == ["one", "1"]
    assert texts(kept, copy) == ["one", "1", "two"]
    kept.delete(chat.id)
    assert [one.title for one in kept.search("one")] == ["copy"]


def test_what_was_deleted_is_nowhere_on_the_disk(kept: History) -> None:
    for number in range(20):
        say(kept, f"other {number}")
    chat = say(kept, "xylophone secret", "the xylophone answer")
    kept.rename(chat.id, "xylophone")
    kept.delete(chat.id)
    for path in PATH.parent.iterdir():
        assert b"xyl" not in path.read_bytes().lower(), path
    assert len(kept.chats()) == 20


def test_settings_belong_to_a_chat(kept: History) -> None:
    chat = say(kept, "one")
    settings = ChatSettings("Be brief.", 0.7, 100, drop_oldest=True)
    kept.set_settings(chat.id, settings)
    assert kept.chat(chat.id).settings == settings
    assert kept.fork(chat.id, "copy").settings == settings


def test_only_what_is_shown_of_a_long_chat_is_read(kept: History) -> None:
    chat = say(kept, "first", *(f"turn {number}" for number in range(99)))
    last = kept.turns(chat.id, most=20)
    assert [last[0].text, last[-1].text] == ["turn 79", "turn 98"]
    assert [turn.text for turn in kept.turns(chat.id, most=2, before=last[0].id)] == [
        "turn 77", "turn 78",
    ]  # fmt: skip
    assert [turn.text for turn in kept.turns(chat.id, most=2, after=last[0].id)] == [
        "turn 80", "turn 81",
    ]  # fmt: skip
    assert chat.turns == 100


def test_old_chats_are_forgotten(kept: History) -> None:
    times = iter([0.0, 0.0, 500.0])
    old = History(PATH, now=lambda: next(times, 500.0))
    say(old, "old")
    say(kept, "new")
    assert kept.forget(600.0) == 1
    assert [chat.title for chat in kept.chats()] == ["new"]
    assert kept.forget(0.0) == 1
    assert kept.chats() == []


def test_in_memory_nothing_is_written() -> None:
    kept = History(None)
    assert texts(kept, say(kept, "secret")) == ["secret"]
    assert not kept.kept
    assert list(Path.cwd().iterdir()) == []
    assert kept.forget(0.0) == 0


def test_two_apps_write_at_once_and_lose_nothing(kept: History) -> None:
    chat = say(kept, "begin")
    others = [History(PATH) for _ in range(2)]

    def talk(app: History, name: str) -> None:
        for number in range(25):
            app.say(chat.id, f"{name} {number}")

    threads = [threading.Thread(target=talk, args=pair) for pair in zip(others, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = texts(kept, chat)
    assert [text for text in said if text[0] == "a"] == [f"a {number}" for number in range(25)]
    assert len(said) == 51
    assert len(kept.search("begin")) == 1


def test_a_locked_history_is_a_sentence(kept: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
    chat = say(kept, "before")
    other = sqlite3.connect(PATH)
    other.execute("BEGIN IMMEDIATE")
    late = History(PATH)
    with pytest.raises(DataError, match="another program holds this file"):
        late.say(chat.id, "lost?")
    assert texts(late, chat) == ["before"], "reading goes on"
    other.rollback()
    other.close()
    late.say(chat.id, "after")
    assert texts(kept, chat) == ["before", "after"]


@pytest.mark.parametrize("damage", [b"not a database" * 100, b"SQLite format 3\0" + b"\1" * 5000])
def test_a_damaged_history_is_a_sentence(damage: bytes) -> None:
    PATH.parent.mkdir()
    PATH.write_bytes(damage)
    with pytest.raises(DataError, match="move it to another place"):
        History(PATH).chats()
    assert PATH.read_bytes() == damage, "somebody may still save parts of it"


def test_a_full_disk_is_a_sentence_and_what_was_kept_is_safe(kept: History) -> None:
    chat = say(kept, "before")
    pages = kept._database.ask("PRAGMA page_count")[0][0]
    kept._database.ask(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OutOfDisk, match="make room on the disk"):
        kept.say(chat.id, "long " * 100_000)
    assert texts(History(PATH), chat) == ["before"]


def test_an_older_history_is_brought_up_to_date_once(
    kept: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = say(kept, "old")
    newer = (*history.MIGRATIONS, ("ALTER TABLE chat ADD COLUMN starred INTEGER",))
    with monkeypatch.context() as patch:
        patch.setattr(history, "MIGRATIONS", newer)
        for _ in range(2):
            assert texts(History(PATH), chat) == ["old"]
    with pytest.raises(EdgekitError, match="newer edgekit"):
        History(PATH).chats()


def test_a_migration_that_fails_changes_nothing(
    kept: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(kept, "old")
    broken = (*history.MIGRATIONS, ("ALTER TABLE chat ADD COLUMN starred INTEGER", "nonsense"))
    with monkeypatch.context() as patch:
        patch.setattr(history, "MIGRATIONS", broken)
        with pytest.raises(EdgekitError, match="cannot be used"):
            History(PATH).chats()
    assert len(History(PATH).chats()) == 1


def test_an_export_is_markdown_without_commands_and_overwrites_nothing(kept: History) -> None:
    chat = say(kept, "What is\x1b[2J bold?", "It is **this**.", "مرحبا")
    kept.set_settings(chat.id, ChatSettings("Be\nbrief."))
    out = Path("chat.md")
    assert transcript.export(kept, kept.chat(chat.id), out) == 3
    text = out.read_text(encoding="utf-8")
    assert text.startswith(
        "# What is bold?\n\n*tiny*\n\n> Be\n> brief.\n\n**You:**\n\nWhat is bold?"
    )
    assert text.endswith("**Model:**\n\nIt is **this**.\n\n**You:**\n\nمرحبا\n")
    with pytest.raises(DataError, match="this file exists"):
        transcript.export(kept, chat, out)


def test_questions_in_a_row_become_one_and_the_system_prompt_comes_first(kept: History) -> None:
    chat = say(kept, "one", "1", "two")
    kept.say(chat.id, "three")
    turns = kept.turns(chat.id, most=9)
    assert transcript.for_model(turns, "Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two\n\nthree"},
    ]
    assert transcript.for_model(turns, " ")[0]["role"] == "user"


def test_what_cannot_fit_is_not_sent(kept: History) -> None:
    chat = say(kept, *("word " * 10 for _ in range(101)))
    turns = kept.turns(chat.id, most=1000)
    assert transcript.may_fit(turns, 100_000) == turns
    some = transcript.may_fit(turns, 64)
    assert some == turns[-len(some) :]
    assert 0 < len(some) < 20
    assert some[0].role == "user"
    assert transcript.may_fit(turns[:1], 1) == turns[:1], "the last question always goes"

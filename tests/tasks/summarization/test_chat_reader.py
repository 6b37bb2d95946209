"""A chat model reads long texts: within its context, all of it, again after a stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.cli import main
from edgekit.data.conversation import Reply
from edgekit.errors import ContextOverflow
from edgekit.system import paths
from edgekit.system.cancel import Cancel
from edgekit.tasks.chat.summaries import ChatReader
from edgekit.tasks.chat.verbs import ChatVerbs
from edgekit.tasks.summarization.summary import Told, Wanted
from edgekit.tasks.summarization.written import Writing
from tests.tiny.summarizer import make_summarizer

TEXT = "\n\n".join(
    " ".join(f"The lamp {part} of hall {n} is on." for n in range(6)) for part in range(8)
)


@pytest.fixture(scope="module")
def model(made_chat_artifact: Path) -> Iterator[edgekit.Model]:
    with edgekit.load(made_chat_artifact, threads=1) as loaded:
        yield loaded


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the model was shown, message by message."""
    shown: list[str] = []
    chat = ChatVerbs.chat

    def listening(self: ChatVerbs, messages: Sequence[Any], *rest: Any, **settings: Any) -> Any:
        shown.append(messages[0]["content"])
        return chat(self, messages, *rest, **settings)

    monkeypatch.setattr(ChatVerbs, "chat", listening)
    return shown


def test_all_parts_are_read_within_the_context(model: edgekit.Model, asked: list[str]) -> None:
    told: list[Told] = []
    found = model.summarize(TEXT, words=10, on_told=told.append)
    assert found.parts_read == found.parts > 2
    assert (found.engine, found.language) == ("chat", "en")
    assert all(any(f"lamp {part} of" in text for text in asked) for part in range(8))
    assert all("Write in English" in text or "in English" in text for text in asked)
    assert max(one.parts_read for one in told) == found.parts


class Listening:
    """Chat verbs whose tokens are words, and which stop where the model would begin."""

    context = 500

    def __init__(self) -> None:
        self.shown = ""

    def count(self, prompt: str | Sequence[Any]) -> int:
        return len((prompt if isinstance(prompt, str) else prompt[0]["content"]).split())

    def chat(self, messages: Sequence[Any], asked: Any) -> Any:
        self.shown = messages[0]["content"]
        assert self.count(self.shown) + asked.max_tokens <= self.context
        raise KeyboardInterrupt


def test_the_latest_notes_go_along_as_far_as_there_is_room() -> None:
    verbs = Listening()
    reader = ChatReader(verbs, Wanted(20, "sw"))
    before = [f"note {n} " + "word " * 20 for n in range(5)]
    with pytest.raises(KeyboardInterrupt):
        reader.note("word " * reader.window, words=20, before=before, on_piece=print)
    assert "Swahili" in verbs.shown
    assert "note 3" in verbs.shown
    assert verbs.shown.index("note 3") < verbs.shown.index("note 4")
    assert "note 1" not in verbs.shown


class Answering(Listening):
    """As above, and it answers; what is asked must leave room in the context for the answer."""

    context = 2048

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def chat(self, messages: Sequence[Any], asked: Any) -> Any:
        shown = messages[0]["content"]
        assert asked.when_full == "error"
        assert self.count(shown) + asked.max_tokens <= self.context
        self.asked.append(shown)
        return Said("The guide says much, and all of it is noted here. " * 6)


class Said:
    """A ChatStream that is over."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> Said:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[str]:
        return iter([self._text])

    def reply(self) -> Reply:
        return Reply(self._text, "stop", (), 1, 0, 1)


def test_three_hundred_pages_stay_within_the_context_and_are_all_read() -> None:
    """600,000 characters, whose notes do not fit at once either; progress counts the parts."""
    text = "\n\n".join(
        f"Chapter{n} begins. " + "It tells of lamps and halls and of what they are for. " * 38
        for n in range(300)
    )
    assert len(text) > 600_000
    verbs, told = Answering(), list[Told]()
    wanted = Wanted(120, "en")
    found = Writing(
        ChatReader(verbs, wanted), wanted, engine="chat", model="", tell=told.append,
        cancel=Cancel(),
    ).summary(text)  # fmt: skip
    assert found.parts_read == found.parts > 60
    shown = "\n".join(verbs.asked)
    assert all(f"Chapter{n} begins" in shown for n in range(300))
    counted = [one.parts_read for one in told if not one.piece]
    assert counted == list(range(found.parts + 1))
    assert {one.parts for one in told} == {found.parts}
    # The notes were read again in parts before they were joined.
    assert len(verbs.asked) > found.parts + 1


def test_a_killed_command_goes_on_where_it_was(
    made_chat_artifact: Path,
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    path = tmp_path / "long.txt"
    path.write_text(TEXT, "utf-8")
    command = ["summarize", str(made_chat_artifact), str(path), "--words", "10", "--json"]
    killed = subprocess.Popen(
        [sys.executable, "-P", "-m", "edgekit", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    notes: dict[str, str] = {}
    while len(notes) < 2 and killed.poll() is None:
        for kept in paths.summaries_dir().glob("*.json"):
            notes = json.loads(kept.read_bytes())["texts"]
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert main(command) == 0
    again, shown = json.loads(capsys.readouterr().out), len(asked)
    assert again["parts_read"] == again["parts"] > 2
    assert not list(paths.summaries_dir().iterdir())
    asked.clear()
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == again
    assert len(asked) - shown >= 2


def test_a_text_that_fits_is_asked_of_once(model: edgekit.Model, asked: list[str]) -> None:
    stream = model.summarize("The lamp of the hall is on.", words=10, stream=True)
    assert "".join(stream).strip() == stream.summary().text
    assert len(asked) == 1


def test_it_goes_on_after_a_stop(model: edgekit.Model, asked: list[str], tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    stream = model.summarize(TEXT, words=10, stream=True, kept=kept)
    while stream.parts_read < 2:
        stream._take()
    stream.cancel()
    found = stream.summary()
    assert found.cancelled
    assert 2 <= found.parts_read < found.parts
    before = len(asked)
    again = model.summarize(TEXT, words=10, kept=kept)
    assert again.parts_read == again.parts
    whole = len(asked) - before
    asked.clear()
    assert model.summarize(TEXT, words=10) == again
    assert len(asked) - whole == found.parts_read


def test_an_embedder_reads_first_where_time_is_short(
    model: edgekit.Model, asked: list[str], tmp_path: Path
) -> None:
    long = " ".join(f"The lamp number {n} of the hall is on." for n in range(500))
    with edgekit.load(make_summarizer(tmp_path / "embedder")) as embedder:
        found = model.summarize(long, words=10, effort="fast", embedder=embedder)
    assert found.engine == "chat"
    assert found.parts_read == found.parts == -(-500 // 64)
    shown = sum(text.count("The lamp number") for text in asked)
    assert 0 < shown < 250


def test_a_context_without_room_says_so(made_chat_artifact: Path) -> None:
    with (
        edgekit.load(made_chat_artifact, threads=1, context=64) as small,
        pytest.raises(ContextOverflow, match="larger context"),
    ):
        small.summarize(TEXT)

"""A chat model reads long texts: within its context, all of it, again after a stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_summarizer import make_summarizer

import edgekit
from edgekit.errors import ContextOverflow
from edgekit.runtime.chatting import ChatVerbs
from edgekit.runtime.summaries.chat import ChatReader
from edgekit.tasks.summarization import Told, Wanted

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

    def chat(self, messages: Sequence[Any], asked: Any, *, when_full: str) -> Any:
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

"""A model that follows a script, behind the interface of a real one; and the app around it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from edgekit_tui import building, settings
from edgekit_tui.app import EdgekitApp
from edgekit_tui.found import Found
from textual.app import App
from textual.pilot import Pilot

from edgekit.artifact import manifest
from edgekit.artifact.folder import Artifact, Manifest
from edgekit.data.conversation import Message, Reply, WhenFull, messages, oldest_turn
from edgekit.errors import ContextOverflow, UnsupportedTask, WorkerError
from edgekit.runtime.scoring import OneLabel
from edgekit.tasks.classification.answer import Answer, answer
from tests.tiny.artifact import fields

NOW = 1_795_000_000.0
LABELS = ("heat", "light", "music")
_WORDS = {"lamp": (0, 3, 0), "light": (0, 3, 0), "song": (0, 0, 3), "heating": (3, 0, 0)}
REPLY = ("**Lamps** ", "give ", "light:\n", "\n- warm ", "light\n", "- cold ", "light\n")
# What kills the process that holds a real model.
DEADLY = "deadly"


def make_manifest(**changes: Any) -> Manifest:
    files = [{"path": "model.onnx", "sha256": "0" * 64, "size_bytes": 24_000_000}]
    whole = fields(**changes)
    whole["needs"] = {"disk_bytes": 24_200_000, "ram_bytes": 120_000_000, "cpu": "any"}
    return manifest.decode(manifest.encode({**whole, "files": files}))


def chat_fields(**changes: Any) -> dict[str, Any]:
    """What a build gives to `artifact.write`."""
    whole = fields(name="tiny-chat", task="chat", languages=["en"], labels=[])
    whole["model"] |= {
        "format": "gguf", "files": ["model.gguf"], "quantization": "q4_k_m", "max_tokens": 4096,
        "chat": {
            "template_sha256": "", "context": 4096, "kv_bytes_per_token": 512, "vocabulary": 1000,
        },
    }  # fmt: skip
    for name, value in changes.items():
        (whole["model"] if name in whole["model"] else whole)[name] = value
    return whole


def make_chat_manifest(**changes: Any) -> Manifest:
    files = [{"path": "model.gguf", "sha256": "0" * 64, "size_bytes": 98_000_000}]
    whole = chat_fields(**changes)
    whole["needs"] = {"disk_bytes": 98_200_000, "ram_bytes": 320_000_000, "cpu": "any"}
    return manifest.decode(manifest.encode({**whole, "files": files}))


class ScriptedStream:
    """The pieces of a reply; a word of the conversation takes one token, and so does a piece."""

    def __init__(
        self, model: ScriptedModel, sent: list[Message], pieces: Sequence[str], when_full: WhenFull
    ) -> None:
        self._model, self._sent, self._pieces, self._when_full = model, sent, pieces, when_full
        self._said: list[str] = []
        self._dropped = 0
        self._cancelled = False

    def __iter__(self) -> Iterator[str]:
        while self._tokens() > self._model.manifest.model.max_tokens:
            count = oldest_turn(self._sent)
            if self._when_full == "error" or not count:
                raise ContextOverflow("The conversation takes more tokens than there are.")
            start = next(at for at, one in enumerate(self._sent) if one["role"] != "system")
            del self._sent[start : start + count]
            self._dropped += count
        for piece in self._pieces:
            self._model.wait()
            if self._cancelled:
                return
            if piece == DEADLY:
                raise WorkerError("The process that held the model ended (SIGKILL).")
            self._said.append(piece)
            yield piece

    def _tokens(self) -> int:
        return sum(len(one["content"].split()) for one in self._sent)

    def cancel(self) -> None:
        self._cancelled = True
        self._model.pass_one()

    def reply(self) -> Reply:
        return Reply(
            "".join(self._said),
            "cancelled" if self._cancelled else "stop",
            tuple(range(self._dropped)),
            self._tokens(),
            0,
            len(self._said),
        )


class ScriptedModel:
    """Answers by the words of a text; waits at `pass_one` when it is told to hold."""

    def __init__(self, found: Manifest, *, hold: bool = False) -> None:
        self.manifest = found
        self.asked: list[str] = []
        self.sent: list[list[Message]] = []
        self.begun: list[str] = []
        self.reply: Sequence[str] = REPLY
        self.closed = False
        self._passes = threading.Semaphore(0) if hold else None

    def pass_one(self, texts: int = 1) -> None:
        if self._passes is not None:
            self._passes.release(texts)

    def classify(
        self, texts: Any, *, abstain_below: float | None = None, labels: Sequence[str] | None = None
    ) -> Any:
        if labels is not None:
            raise UnsupportedTask("These labels are fixed.")
        floor = self.manifest.model.abstain_below if abstain_below is None else abstain_below
        if isinstance(texts, str):
            return self._answer(texts, floor)
        if self.manifest.model.pairs and isinstance(texts, tuple):
            return self._answer(" / ".join(texts), floor)
        return self._each(texts, floor)

    def _each(self, texts: Iterable[str], floor: float) -> Iterator[Answer]:
        for text in texts:
            yield self._answer(text, floor)

    def _answer(self, text: str, floor: float) -> Answer:
        if self._passes is not None:
            self._passes.acquire()
        self.asked.append(text)
        if DEADLY in text:
            raise WorkerError("The process that held the model ended (SIGKILL).")
        logits = np.array([0.5, 0.2, 0.1])
        for word in re.findall(r"\w+", text):
            logits = logits + np.array(_WORDS.get(word, (0.0, 0.1, 0.0)))
        # What it was taught has a word that it knows.
        tells = self.manifest.model.familiar is not None
        return answer(
            logits,
            self.manifest.labels,
            scoring=OneLabel(1.5),
            abstain_below=floor,
            familiar=any(word in text for word in _WORDS) if tells else None,
        )

    def chat(
        self,
        given: Iterable[Message],
        *,
        stream: bool = True,
        max_tokens: int | None = None,
        temperature: float | None = None,
        when_full: WhenFull = "error",
        begun: str = "",
    ) -> ScriptedStream:
        sent = messages(given)
        self.sent.append(sent)
        self.begun.append(begun)
        if DEADLY in sent[-1]["content"]:
            raise WorkerError("The process that held the model ended (SIGKILL).")
        return ScriptedStream(self, sent, self.reply[:max_tokens], when_full)

    def count(self, prompt: str | Sequence[Message]) -> int:
        """A word is a token."""
        texts = [prompt] if isinstance(prompt, str) else [one["content"] for one in prompt]
        return sum(len(text.split()) for text in texts)

    def wait(self) -> None:
        if self._passes is not None:
            self._passes.acquire()

    def close(self) -> None:
        self.closed = True
        self.pass_one(1_000_000)  # a thread that waits for ever would keep the test from its end


PATIENCE_SECONDS = 60


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Lets the app work until the condition holds, however slow the machine is."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise TimeoutError("the app never got there")
        await pilot.pause(0.01)
    await pilot.pause()


async def settle(pilot: Pilot[None]) -> None:
    """Until nothing is under way any more."""
    await pilot.pause()
    await until(pilot, lambda: not getattr(pilot.app.screen, "waiting", False))
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def put_on(app: EdgekitApp, pilot: Pilot[None], theme: str) -> None:
    """Shows the screen in another theme."""
    app.values["theme"] = theme
    app.apply_settings()
    app.refresh(layout=True)
    for widget in app.screen.walk_children():
        widget.refresh()
    await settle(pilot)


def shown(app: App[Any], selector: str) -> str:
    """The letters that a widget shows."""
    widget = app.screen.query_one(selector)
    lines = [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]
    return "\n".join(lines)


def seen(app: App[Any]) -> str:
    """The letters of the whole screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def found(folder: Path = Path("/models/tiny-intents"), **changes: Any) -> Found:
    return Found(folder, "own", Artifact(folder, make_manifest(**changes)), True, 6_100_000_000)


def found_chat(folder: Path = Path("/models/tiny-chat"), **changes: Any) -> Found:
    chat = Artifact(folder, make_chat_manifest(**changes))
    return Found(folder, "own", chat, True, 6_100_000_000)


def make_app(
    artifacts: Iterable[Found] = (),
    *,
    model: ScriptedModel | None = None,
    values: Mapping[str, str] = {},
    encoding: str = "utf-8",
    build_command: Callable[[Path], list[str]] = building.compress,
    sample_command: Callable[[str, Path], list[str]] = building.sample,
) -> EdgekitApp:
    """The app with a script for a model, a clock that goes 12 ms a look, and plenty of memory."""
    artifacts = list(artifacts)
    ticks = count()
    if values:
        settings.save({**settings.load(), **values})
    return EdgekitApp(
        opener=lambda folder, threads, max_ram: model or _scripted(folder, artifacts),
        finder=lambda given: artifacts,
        free_memory=lambda: 6_100_000_000,
        clock=lambda: next(ticks) * 0.012,
        now=lambda: NOW,
        build_command=build_command,
        sample_command=sample_command,
        encoding=encoding,
    )


def _scripted(folder: Path, artifacts: Iterable[Found]) -> ScriptedModel:
    of_folder = (
        one.artifact.manifest for one in artifacts if one.folder == folder and one.artifact
    )
    return ScriptedModel(next(of_folder, make_manifest()))


def offline(svg: str) -> str:
    """A picture without the addresses of fonts: whoever looks at it asks nobody for them."""
    return re.sub(r',\s*url\("https://[^"]*"\) format\("[a-z0-9]+"\)', "", svg)

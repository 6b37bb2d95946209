"""A summarizer that follows a script, behind the interface of a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgekit_tui.found import Found

from edgekit.artifact import manifest
from edgekit.artifact.folder import Artifact, Manifest
from edgekit.data.sentences import flat, spans
from edgekit.errors import WorkerError
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization.checking import unsupported
from edgekit.tasks.summarization.stream import Here, SummaryStream
from edgekit.tasks.summarization.summary import Sentence, Summary, Told
from tests.tiny.artifact import fields
from tests.tui.scripted import DEADLY

SENTENCES_A_PART = 2


def make_summary_manifest(engine: str = "extractive") -> Manifest:
    whole = fields(name="tiny-summaries", task="summarization", labels=[])
    generation = {} if engine == "extractive" else {"num_beams": 1}
    whole["model"]["summary"] = {"engine": engine, "words": 30, "generation": generation}
    whole["needs"] = {"disk_bytes": 24_200_000, "ram_bytes": 120_000_000, "cpu": "any"}
    files = [{"path": "model.onnx", "sha256": "0" * 64, "size_bytes": 24_000_000}]
    return manifest.decode(manifest.encode({**whole, "files": files}))


def found_summarizer(
    folder: Path = Path("/models/tiny-summaries"), engine: str = "extractive"
) -> Found:
    artifact = Artifact(folder, make_summary_manifest(engine))
    return Found(folder, "own", artifact, True, 6_100_000_000)


class ScriptedSummarizer:
    """The first sentence of every two, or, where it writes, what it is told to write of them; waits
    at `pass_one` before each part when it is told to hold."""

    def __init__(
        self,
        found: Manifest,
        *,
        hold: bool = False,
        written: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        self.manifest = found
        self.asked: list[dict[str, Any]] = []
        self.closed = False
        self._written, self._warnings = written, tuple(warnings)
        self._passes = threading.Semaphore(0) if hold else None

    def pass_one(self, parts: int = 1) -> None:
        if self._passes is not None:
            self._passes.release(parts)

    def summarize(
        self,
        text: str,
        *,
        on_told: Callable[[Told], None] = lambda told: None,
        **asked: Any,
    ) -> SummaryStream:
        self.asked.append({"text": text, **asked})

        def make(tell: Callable[[Told], None], cancel: Cancel) -> Summary:
            return self._made(text, tell, cancel)

        return SummaryStream(Here(make, on_cancel=self.pass_one), on_told=on_told)

    def _made(self, text: str, tell: Callable[[Told], None], cancel: Cancel) -> Summary:
        firsts = spans(text)[::SENTENCES_A_PART]
        parts, read = len(firsts), 0
        tell(Told(0, parts))
        while read < parts:
            if self._passes is not None:
                self._passes.acquire()
            if cancel.is_set():
                break
            if DEADLY in text:
                raise WorkerError("The process that held the model ended (SIGKILL).")
            read += 1
            tell(Told(read, parts))
        sentences = [Sentence(flat(text[one.start : one.end]), one.start) for one in firsts[:read]]
        if self._written and read:
            sentences = [Sentence(one) for one in self._written]
            for one in self._written:
                tell(Told(read, parts, one + " "))
        whole = " ".join(one.text for one in sentences)
        return Summary(
            whole, read, parts, tuple(sentences), "scripted", "en", unsupported(whole, text),
            self._warnings, cancelled=read < parts,
        )  # fmt: skip

    def close(self) -> None:
        self.closed = True
        self.pass_one(1_000_000)

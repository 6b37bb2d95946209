"""A translator that follows a script, behind the interface of a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgekit_tui.found import Found

from edgekit.artifact import manifest
from edgekit.artifact.folder import Artifact, Manifest
from edgekit.errors import WorkerError
from edgekit.system.cancel import Cancel
from edgekit.tasks.translation.translated import Told, Translation
from tests.tiny.artifact import fields
from tests.tui.scripted import DEADLY

DIRECTIONS = ("en→fr", "en→ar", "de→fr")


def make_translator_manifest(directions: Sequence[str] = DIRECTIONS) -> Manifest:
    whole = fields(
        name="tiny-translator", task="translation", labels=[], languages=list(directions)
    )
    frame = {"before": [], "after": [], "first": None}
    whole["model"]["translation"] = {
        "frames": dict.fromkeys(directions, frame),
        "generation": {"num_beams": 1},
    }
    whole["needs"] = {"disk_bytes": 24_200_000, "ram_bytes": 120_000_000, "cpu": "any"}
    files = [{"path": "model.onnx", "sha256": "0" * 64, "size_bytes": 24_000_000}]
    return manifest.decode(manifest.encode({**whole, "files": files}))


def found_translator(directions: Sequence[str] = DIRECTIONS) -> Found:
    folder = Path("/models/tiny-translator")
    return Found(
        folder, "own", Artifact(folder, make_translator_manifest(directions)), True, 6_100_000_000
    )


class ScriptedTranslator:
    """Says the next of its lines for each line of the text; waits at `pass_one` before each when it
    is told to hold."""

    def __init__(
        self,
        directions: Sequence[str] = DIRECTIONS,
        *,
        says: Sequence[str],
        hold: bool = False,
        warnings: Sequence[str] = (),
    ) -> None:
        self.manifest = make_translator_manifest(directions)
        self.asked: list[dict[str, Any]] = []
        self._says, self._warnings = says, tuple(warnings)
        self._passes = threading.Semaphore(0) if hold else None

    def pass_one(self, parts: int = 1) -> None:
        if self._passes is not None:
            self._passes.release(parts)

    def translate(
        self,
        text: str,
        *,
        to: str | None = None,
        from_: str | None = None,
        on_told: Callable[[Told], None] = lambda told: None,
        cancel: Cancel | None = None,
    ) -> Translation:
        self.asked.append({"text": text, "to": to, "from": from_})
        lines, said = text.splitlines(), ""
        on_told(Told(0, len(lines)))
        for number in range(len(lines)):
            if self._passes is not None:
                self._passes.acquire()
            if cancel is not None and cancel.is_set():
                return Translation(said, "en", str(to), number, len(lines), cancelled=True)
            if DEADLY in text:
                raise WorkerError("The process that held the model ended (SIGKILL).")
            piece = ("\n" if number else "") + self._says[number]
            said += piece
            on_told(Told(number + 1, len(lines), piece))
        return Translation(said, "en", str(to), len(lines), len(lines), self._warnings)

    def close(self) -> None:
        self.pass_one(1_000_000)

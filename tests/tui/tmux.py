"""A program in a real terminal, driven by keys and seen as a person sees it: a session of tmux."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MISSING = "" if shutil.which("tmux") else "tmux is not installed"
PATIENCE_SECONDS = 240


class Session:
    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        variables: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
    ) -> None:
        # A server of its own: the person's sessions and settings are left alone.
        self._server = ["tmux", "-S", str(folder / "tmux.socket"), "-f", "/dev/null"]
        given = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        self._run(
            "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "-c", str(folder),
            *given, f"{shlex.join(command)}; exec cat",
        )  # fmt: skip

    def press(self, *keys: str) -> None:
        """By tmux's names: Enter, Escape, C-s, Down."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def paste(self, text: str) -> None:
        self._run("set-buffer", text)
        self._run("paste-buffer", "-p")

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def wait_for(self, text: str, *, gone: str = "", seconds: float = PATIENCE_SECONDS) -> str:
        """Until a text is on the screen, and another one no more; the screen then."""
        began = time.monotonic()
        while True:
            screen = self.screen()
            if text in " ".join(screen.split()) and not (gone and gone in screen):
                return screen
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"no {text!r} on the screen:\n{screen}")
            time.sleep(0.1)

    def close(self) -> None:
        subprocess.run([*self._server, "kill-server"], capture_output=True, check=False)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._server, *words], capture_output=True, text=True, check=True, encoding="utf-8"
        )
        return done.stdout

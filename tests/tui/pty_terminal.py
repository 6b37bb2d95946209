"""The app on a PTY, and what of its bytes a text from elsewhere must not bring about."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

PATIENCE_SECONDS = 60


class Terminal:
    """Runs the app and keeps every byte that it sends."""

    def __init__(
        self,
        *arguments: str,
        size: tuple[int, int] = (24, 80),
        under: Sequence[str] = (),
        **variables: str,
    ) -> None:
        """`under` are the words of a program that runs the app, such as strace."""
        self.sent = b""
        self._pressed = 0
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables}
        self._process = subprocess.Popen(
            [*under, sys.executable, "-m", "edgekit_tui.run", *arguments],
            stdin=side, stdout=side, stderr=side, start_new_session=True, env=environment,
            # Under nohup it would be ignored here, too.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )  # fmt: skip
        os.close(side)

    def wait_for(self, text: str) -> None:
        """Until it was written since the last key."""
        began = time.monotonic()
        while text not in self.letters():
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise TimeoutError(f"no {text!r} in {self.letters()[-2000:]!r}")
            self._read(0.05)

    def letters(self) -> str:
        """What was written since the last key, without the commands between it."""
        text = self.sent[self._pressed :].decode("utf-8", "replace")
        return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)", "", text)

    def press(self, keys: str) -> None:
        self._pressed = len(self.sent)
        os.write(self._main, keys.encode())

    def quit(self) -> int:
        self.press("\x11")
        began = time.monotonic()
        while self._process.poll() is None and time.monotonic() - began < PATIENCE_SECONDS:
            self._read(0.05)
        return self._process.wait(1)

    def hang_up(self) -> int:
        os.close(self._main)
        self._main = os.open(os.devnull, os.O_RDWR)
        return self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._main)

    def _read(self, seconds: float) -> None:
        if select.select([self._main], [], [], seconds)[0]:
            try:
                self.sent += os.read(self._main, 65536)
            except OSError:
                time.sleep(seconds)  # the other side is closed


def own_commands(sent: bytes) -> set[bytes]:
    """The kinds of escape sequences in a stream: their letters, and the beginning of strings."""
    csi = {b"[" + final for final in re.findall(rb"\x1b\[[0-?]*[ -/]*([@-~])", sent)}
    strings = set(re.findall(rb"\x1b[\]PX^_][^\x07\x1b]{0,4}", sent))
    return csi | strings


def check_harmless(sent: bytes) -> None:
    """Whether a hostile text showed its hidden part, or a control character of its own."""
    assert b"SECRET" not in sent
    # Textual itself asks for the shape of the mouse pointer, and ends that with a bell.
    without_pointer = re.sub(rb"\x1b\]22;[a-z-]*\x07", b"", sent)
    assert not re.search(rb"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]", without_pointer)
    assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069]", sent.decode("utf-8"))


def harmless(text: str) -> str:
    """As far as a file can hold it: without halves of characters."""
    return text.encode("utf-8", "replace").decode()

"""The app on a real terminal (a PTY): what reaches it, byte by byte."""

from __future__ import annotations

import csv
import fcntl
import json
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
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgekit_tui.history import ChatSettings, History
from hostile import HOSTILE
from scripted import chat_fields
from tiny_artifact import make_artifact

from edgekit import artifact

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no PTYs")

PATIENCE_SECONDS = 60


class Terminal:
    """Runs the app and keeps every byte that it sends."""

    def __init__(self, *arguments: str, size: tuple[int, int] = (24, 80), **variables: str) -> None:
        self.sent = b""
        self._pressed = 0
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgekit_tui.run", *arguments],
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


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for terminal in started:
        terminal.kill()


def own_commands(sent: bytes) -> set[bytes]:
    """The kinds of escape sequences in a stream: their letters, and the beginning of strings."""
    csi = {b"[" + final for final in re.findall(rb"\x1b\[[0-?]*[ -/]*([@-~])", sent)}
    strings = set(re.findall(rb"\x1b[\]PX^_][^\x07\x1b]{0,4}", sent))
    return csi | strings


def hostile_files(folder: Path) -> None:
    """A table, file names and an artifact that carry every hostile text."""
    with (folder / "letters.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", f"note {HOSTILE[2]}"])
        for text in HOSTILE:
            writer.writerow([f"the lamp {harmless(text)} shines", harmless(text)])
    for number, text in enumerate(HOSTILE):
        if "\ud800" not in text:  # no file system takes that one
            (folder / f"n{number}{text.replace('/', '_')}.csv").touch()
    # A manifest refuses such labels and languages; there are places that it does not look into.
    by_language = {harmless(text): {"macro_f1": 0.5} for text in HOSTILE}
    steps = [{"step": harmless(text)} for text in HOSTILE]
    make_artifact(folder / "odd", quality={"artifact": {"by_language": by_language}}, steps=steps)
    broken = folder / f"broken{HOSTILE[0]}"
    broken.mkdir()
    for name in ("manifest.json", "golden.json"):
        (broken / name).write_text(HOSTILE[2])


def harmless(text: str) -> str:
    """As far as a file can hold it: without halves of characters."""
    return text.encode("utf-8", "replace").decode()


def test_nothing_hostile_reaches_the_terminal(tmp_path: Path, terminals: list[Terminal]) -> None:
    work = tmp_path / "work"
    plain = tmp_path / "plain"
    plain.mkdir()
    make_artifact(plain / "odd")
    (plain / "letters.csv").write_text("text,note\nthe lamp shines,x\n", encoding="utf-8")
    hostile_files(work)
    seen: list[set[bytes]] = []
    for folder in (plain, work):
        os.chdir(folder)
        terminal = Terminal(EDGEKIT_DATA=str(tmp_path / f"data-{folder.name}"))
        terminals.append(terminal)
        terminal.wait_for("tiny-intents")
        terminal.press("a")
        terminal.wait_for("Look at it")
        terminal.wait_for("tiny-intents")
        terminal.press("\x1b[F\r")  # the end of the list
        terminal.wait_for("licence")
        terminal.press("\x1b")
        terminal.wait_for("Import")
        terminal.press("\x1b")
        terminal.wait_for("Label a file")
        terminal.press("\x1b[F4")
        terminal.wait_for("letters.csv")
        terminal.press("letters.csv\r")
        terminal.wait_for("Which column")
        terminal.wait_for("the lamp")
        terminal.press("\r")
        terminal.wait_for("as in the file")
        terminal.press("r")
        terminal.wait_for("kept in")
        terminal.wait_for("Skip")
        assert terminal.quit() == 0
        seen.append(own_commands(terminal.sent))
        assert b"SECRET" not in terminal.sent
        # Textual itself asks for the shape of the mouse pointer, and ends that with a bell.
        without_pointer = re.sub(rb"\x1b\]22;[a-z-]*\x07", b"", terminal.sent)
        assert not re.search(rb"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]", without_pointer)
        text = terminal.sent.decode("utf-8")
        assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert seen[1] <= seen[0], "commands that no harmless text brings about"


def make_damaged_chat(folder: Path) -> None:
    """A chat artifact that is found, and refused when it is opened."""
    folder.mkdir(parents=True)
    for name in ("model.gguf", "golden.json", "LICENSE", "MODEL_CARD.md"):
        (folder / name).write_bytes(b"as built")
    artifact.write(folder, chat_fields())
    (folder / "model.gguf").write_bytes(b"damaged!")


def test_nothing_hostile_in_a_chat_reaches_the_terminal(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    make_damaged_chat(tmp_path / "work" / "tiny")
    seen: list[set[bytes]] = []
    for name, texts in (("plain", ("**lamp** shines",)), ("hostile", HOSTILE)):
        data = tmp_path / f"data-{name}"
        history = History(data / "chats.sqlite")
        chat = history.begin(harmless(f"model{texts[-1]}"), ChatSettings(), harmless(texts[0]))
        for text in texts:
            history.say(chat.id, harmless(f"{text} lamp"))
            said = harmless(f"{text} lamp\n\n- `{text}`\n\n```\n{text}\n```\n&#27;[2J lamp")
            history.answer(chat.id, said, turn=None, ended="stop")
        history.rename(chat.id, harmless(f"my {texts[2 % len(texts)]} title"))
        history.close()
        terminal = Terminal(EDGEKIT_DATA=str(data))
        terminals.append(terminal)
        terminal.wait_for("tiny-chat")
        terminal.press("\r")
        terminal.wait_for("differs")  # one word: where the sentence wraps hangs on its path
        terminal.press("\x14")  # ctrl t
        terminal.wait_for("title")
        terminal.press("/")
        terminal.wait_for("Words to search")
        terminal.press("lamp")
        terminal.wait_for("…")  # what was found, with some text around it
        terminal.press("\r")
        terminal.wait_for("Go on")
        terminal.press("\r")
        terminal.wait_for("lamp")
        terminal.wait_for("New")
        assert terminal.quit() == 0
        seen.append(own_commands(terminal.sent))
        assert b"SECRET" not in terminal.sent
        without_pointer = re.sub(rb"\x1b\]22;[a-z-]*\x07", b"", terminal.sent)
        assert not re.search(rb"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]", without_pointer)
        assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069]", terminal.sent.decode("utf-8"))
    assert seen[1] <= seen[0], "commands that no harmless text brings about"


def test_a_terminal_without_utf8_gets_ascii(tmp_path: Path, terminals: list[Terminal]) -> None:
    make_artifact(tmp_path / "work" / "tiny")
    variables = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    terminal = Terminal(**variables)
    terminals.append(terminal)
    terminal.wait_for("tiny-intents")
    terminal.press("\r")
    terminal.wait_for("Type or paste")
    terminal.press("lamp")
    terminal.wait_for("heat")
    assert terminal.quit() == 0
    assert max(terminal.sent) < 128
    assert b"\\u2" not in terminal.sent


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_ends_the_app_and_its_worker(
    signal_number: int, tmp_path: Path, terminals: list[Terminal]
) -> None:
    import psutil

    make_artifact(tmp_path / "work" / "tiny")
    terminal = Terminal()
    terminals.append(terminal)
    terminal.wait_for("tiny-intents")
    terminal.press("\r")
    terminal.wait_for("3 labels")
    children = psutil.Process(terminal._process.pid).children(recursive=True)
    assert children
    os.kill(terminal._process.pid, signal_number)
    _gone, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    assert not alive


def test_a_terminal_that_goes_without_a_signal_ends_the_app(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    make_artifact(tmp_path / "work" / "tiny")
    terminal = Terminal()
    terminals.append(terminal)
    terminal.wait_for("tiny-intents")
    assert terminal.hang_up() == -signal.SIGTERM


def test_nothing_opens_a_socket_and_all_files_are_private(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    make_artifact(tmp_path / "work" / "tiny")
    (tmp_path / "work" / "letters.csv").write_text("text\nlamp\nsong\n", encoding="utf-8")
    log = tmp_path / "audit.json"
    (tmp_path / "sitecustomize.py").write_text(_AUDIT, encoding="utf-8")
    terminal = Terminal(PYTHONPATH=str(tmp_path), EDGEKIT_AUDIT=str(log))
    terminals.append(terminal)
    terminal.wait_for("tiny-intents")
    terminal.press("4")
    terminal.wait_for("letters.csv")
    terminal.press("letters.csv\r")
    terminal.wait_for("Which column")
    terminal.wait_for("lamp")  # the rows are read in the background: until then Enter has no column
    terminal.press("\r")
    terminal.wait_for("as in the file")
    assert terminal.quit() == 0
    assert json.loads(log.read_text()) == []
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["letters.csv", "tiny"]
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


_AUDIT = """
import atexit, json, os, sys
seen = []
def look(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        seen.append([event, repr(arguments)])
sys.addaudithook(look)
if any("edgekit_tui" in word for word in sys.orig_argv):
    atexit.register(lambda: open(os.environ["EDGEKIT_AUDIT"], "w").write(json.dumps(seen)))
"""


@pytest.mark.parametrize("module", ["edgekit_tui.run", "edgekit tui"])
def test_without_a_terminal_it_says_so(module: str) -> None:
    command = [sys.executable, "-m", *module.split()]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs a terminal" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_used_is_a_sentence(terminals: list[Terminal]) -> None:
    terminal = Terminal(EDGEKIT_DATA="/dev/null/data")
    terminals.append(terminal)
    terminal.wait_for("set EDGEKIT_DATA to a folder of yours")
    assert "Traceback" not in terminal.letters()


def test_the_home_screen_comes_soon() -> None:
    """No time is asserted; what would cost it, heavy imports, is."""
    code = (
        "import sys\nfrom edgekit_tui.app import EdgekitApp\nEdgekitApp()\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "onnx", "onnxruntime", "pyarrow", "sklearn", "yaml"}
    assert not heavy & set(done.stdout.split())

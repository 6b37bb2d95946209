"""The app on a real terminal (a PTY): what reaches it, byte by byte."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from edgekit_tui.history import ChatSettings, History

from edgekit.artifact import folder as artifact
from tests.tiny.artifact import make_artifact
from tests.tui.hostile import HOSTILE
from tests.tui.pty_terminal import (
    PATIENCE_SECONDS,
    Terminal,
    check_harmless,
    harmless,
    own_commands,
)
from tests.tui.scripted import chat_fields

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no PTYs")


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
        check_harmless(terminal.sent)
        seen.append(own_commands(terminal.sent))
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
        check_harmless(terminal.sent)
        seen.append(own_commands(terminal.sent))
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


def test_a_terminal_that_reorders_text_is_told_not_to_and_set_back(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    make_artifact(tmp_path / "work" / "tiny")
    terminal = Terminal()
    terminals.append(terminal)
    terminal.wait_for("tiny-intents")
    assert terminal.quit() == 0
    first, last = terminal.sent.index(b"\x1b[8l"), terminal.sent.index(b"\x1b[8h")
    assert first < terminal.sent.index(b"tiny-intents") < last
    assert terminal.sent.count(b"\x1b[8l") == 1


def test_a_terminal_that_is_left_to_turn_text_is_told_so(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    make_artifact(tmp_path / "work" / "tiny")
    terminal = Terminal(KONSOLE_VERSION="230400")
    terminals.append(terminal)
    terminal.wait_for("tiny-intents")
    assert terminal.quit() == 0
    assert b"\x1b[8l" not in terminal.sent


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

"""No process of edgekit's calls an internet address or keeps anything to send: each command, the
app and the Python call, as strace sees them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.build.outcome import Built
from tests.tiny.artifact import make_artifact
from tests.tiny.summarizer import make_summarizer

if sys.platform == "linux":
    from tests.tui.pty_terminal import Terminal

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="needs strace, on Linux"
)

# What libraries heed and this machine may have set: a user's machine has none of it.
UNSET = ("CI", "ORT_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "XDG_CACHE_HOME", "DO_NOT_TRACK")
# Without an interface, not even loopback: what is tried there reaches nobody.
FENCE = ("unshare", "--map-root-user", "--net")
# It first sends what it has kept after some seconds.
LEFT_ALONE = """\
import time
import onnxruntime
time.sleep(15)
"""
EMBEDDED = """\
import sys
import edgekit
with edgekit.load(sys.argv[1], isolate=sys.argv[2] == "isolated") as model:
    print(list(model.classify(["lamp on", "lamp off"])))
"""
Run = Callable[..., list[str]]


@pytest.fixture
def traced(tmp_path: Path) -> Run:
    """Runs Python with some arguments; gives what it and its children did that is not offline."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*arguments: object, before: tuple[str, ...] = ()) -> list[str]:
        environment = {name: value for name, value in os.environ.items() if name not in UNSET}
        done = subprocess.run(
            [*strace(tmp_path), *before, sys.executable, *map(str, arguments)],
            env={**environment, "HOME": str(home), "EDGEKIT_DATA": str(home / "data")},
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 3, 4), done.stderr  # a verdict is not an error
        return seen(tmp_path, home)

    return run


def strace(folder: Path) -> list[str]:
    # A socket alone calls nobody: urllib3 makes one to see whether the machine has IPv6.
    calls = "connect,sendto,sendmsg,sendmmsg"
    log = folder / "calls"
    return [
        "strace",
        "--follow-forks",
        "--seccomp-bpf",
        "-qq",
        f"--trace={calls}",
        f"--output={log}",
    ]


def seen(folder: Path, home: Path) -> list[str]:
    """Calls to internet addresses, and files that wait to be sent."""
    log = (folder / "calls").read_text(encoding="utf-8")
    kept = [str(path) for path in home.rglob("*onnxruntime*")]
    return re.findall(r".*\bsa_family=AF_INET6?\b.*", log) + kept


def test_left_alone_onnxruntime_calls_its_makers(traced: Run) -> None:
    """Else the tests below see nothing."""
    if shutil.which(FENCE[0]) is None or subprocess.run([*FENCE, "true"]).returncode:
        pytest.skip("this user may not make a network namespace")
    found = traced("-c", LEFT_ALONE, before=FENCE)
    assert any("sa_family=AF_INET" in line for line in found)
    assert any("onnxruntime.db" in line for line in found)


@pytest.mark.parametrize("where", ["here", "isolated"])
def test_the_python_call(traced: Run, made_artifact: Path, where: str) -> None:
    assert traced("-c", EMBEDDED, made_artifact, where) == []


@pytest.mark.parametrize(
    "command",
    ["classify {a} lamp", "classify {a} --file {rows} --out {out}", "verify {a}", "inspect {a}",
     "bench {a} --rounds 1", "summarize {summarizer} {text}", "chat {chat} --prompt hello"],
)  # fmt: skip
def test_a_command(
    traced: Run, made_artifact: Path, made_chat_artifact: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "text.txt").write_text("The lamp is on. The music is loud. Heat the room.")
    (tmp_path / "rows.csv").write_text("text\n" + "lamp on\n" * 40)
    places = {
        "a": made_artifact,
        "rows": tmp_path / "rows.csv",
        "out": tmp_path / "out.csv",
        "text": tmp_path / "text.txt",
        "summarizer": make_summarizer(tmp_path / "summarizer"),
        "chat": made_chat_artifact,
    }
    assert traced("-m", "edgekit", *(word.format(**places) for word in command.split())) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    ["plan {recipe}", "compress {recipe} --out {out}", "doctor", "store", "recipes",
     "evaluate {a} --data {test} --against {teacher}", "bench {a} --against {teacher} --rounds 1"],
)  # fmt: skip
def test_a_command_that_imports_torch(
    traced: Run, built: Built, made_project: Path, tmp_path: Path, command: str
) -> None:
    places = {
        "a": built.artifacts[0].path,
        "recipe": made_project / "recipe.yaml",
        "out": tmp_path / "out",
        "test": made_project / "data/test.csv",
        "teacher": built.teacher,
    }
    assert traced("-m", "edgekit", *(word.format(**places) for word in command.split())) == []


def test_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    make_artifact(tmp_path / "work" / "tiny")
    monkeypatch.chdir(tmp_path / "work")
    home = tmp_path / "home"
    home.mkdir()
    terminal = Terminal(under=strace(tmp_path), HOME=str(home), EDGEKIT_DATA=str(home / "data"))
    try:
        terminal.wait_for("tiny-intents")
        terminal.press("\r")
        terminal.wait_for("Type or paste")
        terminal.press("lamp")
        terminal.wait_for("heat")
        assert terminal.quit() == 0
    finally:
        terminal.kill()
    assert seen(tmp_path, home) == []

"""onnxruntime keeps nothing to send, and says so where it cannot be silenced. That no process calls
an internet address is tests/test_offline.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny.artifact import make_artifact

ALONE = """\
import sys, time
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1])
time.sleep(1)
"""
EMBEDDING = """\
import sys
import onnxruntime
import edgekit
with edgekit.load(sys.argv[1]) as model:
    print(model.classify("lamp on").label)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("silent") / "tiny")


def run(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """As on a user's machine: nothing is set that onnxruntime heeds."""
    unset = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, "-W", "default", *map(str, arguments)],
        env={**environment, "HOME": str(home), "EDGEKIT_CACHE": str(home / "edgekit")},
        capture_output=True,
        text=True,
        check=True,
    )


def kept(home: Path) -> list[Path]:
    """What onnxruntime wrote into the user's cache: a device's id, and events to be sent."""
    return [path for path in (home / ".cache").rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform != "linux", reason="only the wheels for Linux report")
def test_left_alone_it_keeps_events_to_send(home: Path, artifact: Path) -> None:
    """Else the tests below show nothing, and runtime/ort.py can go."""
    run(home, "-c", ALONE, artifact / "model.onnx")
    assert kept(home)


def test_what_an_earlier_version_left_is_removed_and_nothing_added(
    home: Path, artifact: Path
) -> None:
    earlier = home / ".cache/Microsoft/DeveloperTools/.onnxruntime/onnxruntime.db"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"what an earlier version left")
    done = run(home, "-m", "edgekit", "verify", artifact)
    assert kept(home) == []
    assert "RuntimeWarning" not in done.stderr


def test_a_program_that_imported_it_before_is_warned(home: Path, artifact: Path) -> None:
    done = run(home, "-c", EMBEDDING, artifact)
    assert "set ORT_DISABLE_TELEMETRY=1" in done.stderr

"""The app with a real artifact of each task, in a real terminal: what a newcomer can do (slow).

EDGEKIT_TEST_ARTIFACTS may name folders with ready artifacts; those that are not there are built
from the samples, which takes long and needs a network.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from edgekit_tui import found

from edgekit.data.rows import read_rows
from tests.tui import tmux

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(tmux.MISSING), reason=tmux.MISSING),
    pytest.mark.timeout(3600),
]
READY = "EDGEKIT_TEST_ARTIFACTS"
# Which sample gives an artifact of a task, and by which recipe of its folder.
SAMPLES = {
    "chat": ("smollm2", "recipe.yaml"),
    "classification": ("home-intents", "quick.yaml"),
    "summarization": ("package-summaries", "recipe.yaml"),
}
Start = Callable[..., tmux.Session]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def of_task(task: str) -> Path:
        for folder in filter(None, os.environ.get(READY, "").split(os.pathsep)):
            for one in found.find(working=Path(folder)):
                if one.task == task:
                    return one.folder
        from edgekit import samples  # torch: only where it has to build
        from edgekit.build import build, plan
        from edgekit.recipe import recipe

        name, file = SAMPLES[task]
        made = samples.make(name, tmp_path_factory.mktemp("samples") / name)
        return build.compress(plan.make(recipe.read(made / file))).artifacts[0].path

    return of_task


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the app in an empty working folder; every session ends with the test."""
    sessions: list[tmux.Session] = []
    folder = tmp_path / "work"

    def begin(*artifacts: Path) -> tmux.Session:
        variables = {
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "EDGEKIT_DATA": str(tmp_path / "data"),
        }
        kept = ("PYTHONPATH", "EDGEKIT_CACHE", "PATH")
        variables |= {name: os.environ[name] for name in kept if name in os.environ}
        command = [sys.executable, "-P", "-m", "edgekit", "tui", *map(str, artifacts)]
        sessions.append(tmux.Session(command, folder=folder, variables=variables))
        return sessions[-1]

    yield begin
    for session in sessions:
        session.close()


def test_a_chat_with_a_real_model(artifact: Callable[[str], Path], start: Start) -> None:
    app = start(artifact("chat"))
    app.wait_for("fits in memory")
    app.press("1")
    app.wait_for("New chat ·")
    app.type("What is the capital of France?")
    app.press("Enter")
    app.wait_for("of its memory is full")
    app.type("Tell me a long story about a lamp.")
    app.press("Enter")
    app.wait_for("words a second", gone="of its memory is full")
    app.press("Escape")
    app.wait_for("(stopped)")
    app.press("C-t")
    app.wait_for("What is the capital of France?")
    app.press("Enter")
    app.wait_for("(stopped)")
    app.press("Escape")
    app.wait_for("words a second")  # the artifact's speed, on Home


def test_a_table_is_labelled_corrected_and_exported(
    artifact: Callable[[str], Path], start: Start, tmp_path: Path
) -> None:
    texts = ("turn on the kitchen light", "éteins la lumière du salon", "关灯", "hm")
    with Path("letters.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["number", "said"])
        writer.writerows([n, f"{texts[n % 4]} {n if n % 3 else ''}".strip()] for n in range(1000))
    app = start(artifact("classification"))
    app.wait_for("fits in memory")
    app.press("4")
    app.wait_for("letters.csv")
    app.type("letters")
    app.press("Enter")
    app.wait_for("Which column")
    app.wait_for("turn on the kitchen light")
    app.press("Enter")
    app.wait_for("1,000 rows · as in the file", seconds=900)
    app.press("r")
    app.wait_for("kept in")
    for number in range(1, 6):
        app.press("2")
        app.wait_for(f"{number} set · kept in")
        app.wait_for("2 ")  # the choices of the next row
    corrected = tmp_path / "data" / "corrections"
    app.press("Escape")
    app.wait_for("as in the file")
    app.press("e")
    app.wait_for("letters-labelled.csv")
    app.press("Enter")
    app.wait_for("1,000 rows were written")
    with Path("letters-labelled.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1000
    assert rows[0]["label"] == "HassTurnOn"
    (path,) = corrected.glob("*.csv")
    assert len(read_rows(path)) == 5


def test_a_long_text_is_summarized(artifact: Callable[[str], Path], start: Start) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    Path("report.txt").write_text(re.sub(r"```.*?```", "", text, flags=re.DOTALL), encoding="utf-8")
    app = start(artifact("summarization"))
    app.wait_for("fits in memory")
    app.press("3")
    app.wait_for("Open a file")
    app.press("C-f")
    app.wait_for("report.txt")
    app.type("report")
    app.press("Enter")
    app.wait_for("words ·")
    app.press("C-s")
    app.wait_for("e Export", seconds=900)
    app.press("e")
    app.wait_for("Write the summary")
    app.press("Enter")
    app.wait_for("was written to")
    summary = Path("report-summary.txt").read_text(encoding="utf-8")
    assert len(summary.split()) > 3


def test_an_artifact_comes_from_a_stick(
    artifact: Callable[[str], Path], start: Start, tmp_path: Path
) -> None:
    shutil.copytree(artifact("classification"), tmp_path / "stick" / "home-intents")
    app = start()
    app.wait_for("There is no artifact on this computer yet")
    app.press("i")
    app.wait_for("Choose the folder of an artifact")
    app.press("Up", "Enter")
    app.wait_for("stick/")
    app.type("stick")
    app.press("Enter")
    app.wait_for("home-intents/")
    app.type("home")
    app.press("Enter")
    app.wait_for("QUALITY BY LANGUAGE", seconds=600)
    shutil.rmtree(tmp_path / "stick")
    app.press("v")
    app.wait_for("All right:", seconds=600)
    app.press("Enter")
    app.wait_for("Type or paste")
    app.type("turn on the kitchen light")
    app.wait_for("HassTurnOn")

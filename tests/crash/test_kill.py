"""kill -9 at every commit point and at random moments; EDGEKIT_CRASH_TIMES=50 for a long run."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.store.store import COMMIT_POINTS, Store
from tests.crash import kill, small_recipe

TIMES = int(os.environ.get("EDGEKIT_CRASH_TIMES", "3"))
ENTRIES = 4
RECIPE = Path(small_recipe.__file__)


def _command(folder, *more):
    return [sys.executable, str(RECIPE), str(folder / "store"), str(folder / "out"), *more]


def _reset(folder):
    shutil.rmtree(folder / "store", ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a build that nobody disturbs leaves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(_command(folder), check=True)
    return kill.sha256_of(folder / "out")


@pytest.mark.parametrize("point", range(1, ENTRIES * len(COMMIT_POINTS) + 1))
def test_a_kill_at_each_commit_point_changes_nothing(tmp_path, expected, point):
    killed = subprocess.run(_command(tmp_path, "--die-at", str(point)), check=False)
    assert killed.returncode == -signal.SIGKILL
    subprocess.run(_command(tmp_path), check=True)
    assert kill.sha256_of(tmp_path / "out") == expected
    with Store(tmp_path / "store", budget_bytes=10**9) as store:
        assert [entry.finished for entry in store.entries()] == [True] * ENTRIES


def test_a_kill_at_any_moment_changes_nothing(tmp_path, expected):
    report = kill.kill_at_random_moments(
        _command(tmp_path, "--pause", "0.01"),
        times=TIMES,
        seed=TIMES,
        finished_digest=lambda: kill.sha256_of(tmp_path / "out"),
        reset=lambda: _reset(tmp_path),
    )
    assert report.expected == expected
    assert report.different == ()
    assert len(report.rounds) == TIMES


def test_a_long_step_ends_though_each_life_is_one_save_long(tmp_path, expected):
    """A laptop whose power fails again and again."""
    saves = small_recipe.ITERATIONS // small_recipe.SAVE_EVERY
    codes = [
        subprocess.run(_command(tmp_path, "--one-save"), check=False).returncode
        for _ in range(saves + 1)
    ]
    assert codes == [-signal.SIGKILL] * saves + [0]
    assert kill.sha256_of(tmp_path / "out") == expected


@pytest.mark.parametrize(
    ("command", "different"),
    [("keeps", False), ("trusts", True)],
    ids=["a step that renames when whole", "a step that trusts any file that is there"],
)
def test_the_killer_tells_a_safe_command_from_one_that_is_not(tmp_path, command, different):
    """'The file is there, so it is done' is the mistake that all of this is about."""
    program = (
        "import pathlib, sys, time\n"
        "out, how = pathlib.Path(sys.argv[1]), sys.argv[2]\n"
        "out.mkdir(exist_ok=True)\n"
        "target = out / 'model.bin'\n"
        "if not target.exists():\n"
        "    path = target if how == 'trusts' else out.with_name('partial')\n"
        "    with path.open('wb') as stream:\n"
        "        for piece in range(80):\n"
        "            stream.write(bytes([piece]) * 10000); time.sleep(0.01)\n"
        "    path.replace(target)\n"
    )
    out = tmp_path / "out"
    report = kill.kill_at_random_moments(
        [sys.executable, "-c", program, str(out), command],
        times=4,
        seed=1,
        finished_digest=lambda: kill.sha256_of(out),
        reset=lambda: shutil.rmtree(out, ignore_errors=True),
    )
    assert bool(report.different) is different

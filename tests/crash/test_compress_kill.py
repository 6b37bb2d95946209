"""kill -9 of the whole `edgekit compress`; EDGEKIT_CRASH_TIMES=50 tries every place and 50 moments.

Whatever the moment, running it again ends with the artifact and the teacher of an undisturbed run,
and repeats nothing that had been finished.
"""

import os
import random
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.store.progress import spent_seconds
from edgekit.store.store import PROGRESS
from tests.crash import kill
from tests.crash.forked import POINTS, SAVES, STEPS

TIMES = os.environ.get("EDGEKIT_CRASH_TIMES")
# An artifact of another seed, which a run replaces.
OTHER = ("seed=8",)
# Of all points these few, unless the test may be long: one of each kind, early and late.
FEW_POINTS = ("finetune:saved 13", "finetune:sealed", "onnx-quantize:made", "judge:renamed")
KILLED = -signal.SIGKILL


def test_every_commit_point_is_known_here(undisturbed):
    assert sorted(undisturbed.points) == sorted(POINTS)
    assert sorted(undisturbed.left) == ["measured.json", "report.html", "teacher", "tiny-onnx"]


@pytest.mark.parametrize("point", POINTS if TIMES else FEW_POINTS)
def test_a_kill_at_a_commit_point_changes_nothing(forked, fresh, undisturbed, point):
    killed = forked.run(replace(fresh, die_at=point))
    assert (killed.code, killed.points[-1]) == (KILLED, point)
    if "saved" in point:  # what was spent so far is counted when the step has ended
        partials = Path(fresh.cache, "store").glob("*.partial")
        assert any(spent_seconds(partial / PROGRESS) > 0 for partial in partials)
    again = forked.run(fresh.again())
    assert again.code == 0, again.stderr
    assert again.left == undisturbed.left
    assert again.unfinished == []
    sealed = {heard.split(":")[0] for heard in killed.points if heard.endswith(":sealed")}
    begun = {heard.split(":")[0] for heard in again.points if heard.endswith(":begun")}
    assert sealed | begun == set(STEPS)
    assert sealed & begun == set()
    saves = [heard for heard in (*killed.points, *again.points) if "saved" in heard]
    assert len(saves) == SAVES


@pytest.fixture(scope="module")
def other(forked, quiet_run, undisturbed):
    """Another seed's output in a folder of its own; its steps are in the store of `quiet_run`."""
    run = replace(quiet_run.again(), out=f"{quiet_run.out}-other", settings=OTHER)
    ended = forked.run(run)
    assert ended.code == 0, ended.stderr
    return run.out, ended


@pytest.mark.parametrize("earlier", [True, False], ids=["an earlier output", "nothing there"])
def test_a_kill_at_a_file_operation_in_the_output_leaves_the_old_or_the_new(
    forked, quiet_run, undisturbed, other, tmp_path, earlier
):
    """Before each file that is opened, renamed or removed while teacher and artifact are placed."""
    folder, old = other
    out = str(tmp_path / "out")
    start = replace(quiet_run, out=out, remove=(out,), copy=((folder, out),) if earlier else ())
    whole = forked.run(start)
    assert whole.left == undisturbed.left
    moves = [i for i, what in enumerate(whole.operations) if what.startswith("rename")]
    places = range(len(whole.operations))
    places = places if TIMES else random.Random(1).sample(places, 3)
    for number in sorted({*places, *(moves if earlier else ())}):
        place = f"before operation {number}, {whole.operations[number]}"
        killed = forked.run(replace(start, die_before=number))
        assert (killed.code, len(killed.operations)) == (KILLED, number), place
        for name in ("teacher", "tiny-onnx"):
            possible = {undisturbed.left[name], old.left[name] if earlier else None}
            assert len(possible) == 2
            assert killed.left.get(name) in possible, f"{name}: killed {place}"
        again = forked.run(start.again())
        assert (again.code, again.left) == (0, undisturbed.left), place
        assert again.points == [], place


@pytest.mark.timeout(4 * 3600 if TIMES else 300)
def test_a_kill_at_any_moment_changes_nothing(
    forked, undisturbed, short_recipe, rates, tmp_path, monkeypatch
):
    """The command as users start it, a process of its own; longer training in a long test."""
    cache, out = tmp_path / "cache", tmp_path / "out"
    shutil.copytree(rates, cache)
    monkeypatch.setenv("EDGEKIT_CACHE", str(cache))
    command = [sys.executable, "-m", "edgekit", "compress", str(short_recipe), "--out", str(out)]
    known = None
    if TIMES:
        longer = ("epochs=20", "patience=20")
        command += [word for one in longer for word in ("--set", f"steps.0.finetune.{one}")]
    else:
        expected = " ".join(undisturbed.left[name] for name in ("teacher", "tiny-onnx"))
        known = expected, forked.importing_s + undisturbed.seconds

    def reset():
        for folder in (cache / "store", out):
            shutil.rmtree(folder, ignore_errors=True)

    times = int(TIMES or "2")
    report = kill.kill_at_random_moments(
        command,
        times=times,
        seed=5,  # the first two moments fall into training and quantizing
        finished_digest=lambda: " ".join(
            kill.sha256_of(out / name) for name in ("teacher", "tiny-onnx")
        ),
        reset=reset,
        on_round=lambda number, one: print(f"{number}: {one}", file=sys.stderr),
        undisturbed=known,
    )
    assert report.different == ()
    assert len(report.rounds) == times

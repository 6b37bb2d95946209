"""`edgekit compress` of a language model is killed, or its disk fills up: it ends as undisturbed.

Of a build that is whole the store loses the piece of work that is to be disturbed, so that no run
makes more than that again. EDGEKIT_CRASH_TIMES=50 kills at 50 moments of whole builds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edgekit.build.outcome import Built
from tests.crash import kill
from tests.crash.forked import Forked, Run

TIMES = os.environ.get("EDGEKIT_CRASH_TIMES")
WRITING = ("gguf-convert", "gguf-importance", "gguf-quantize", "judge")
OTHERS = ("checkpoint", "checkpoint-parity", "gguf-parity", "teacher")
OF_A_BUDGET = ("gguf-losses", "gguf-sensitivity", "gguf-round", "gguf-budget")
BUDGET = (
    "outputs=[{gguf: {quantize: {bits: 7}, calibration_tokens: 256}}]",
    "must={kld: 1}",
)
PART = 4096
"""Room for part of a file, so that the disk is full in the midst of it."""
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Whole:
    """A build that nobody disturbed."""

    recipe: Path
    cache: Path
    left: Mapping[str, str]
    """Digests of the teacher and of the artifact."""
    settings: tuple[str, ...] = ()
    """What `--set` got."""

    def without(self, names: tuple[str, ...], folder: Path) -> Path:
        """A copy of the cache whose store has all but the pieces of work of these names."""
        copied = folder / f"without-{names[0]}"
        (copied / "store").mkdir(parents=True)
        shutil.copy(self.cache / "rates.json", copied)
        wanted = {*WRITING, *OTHERS, *OF_A_BUDGET}
        for done in self.cache.glob("store/*/DONE.json"):
            name = json.loads(done.read_text("utf-8"))["facts"]["name"]
            if name in wanted - {*names}:
                shutil.copytree(done.parent, copied / "store" / done.parent.name)
        return copied


def digests(artifact: Path, teacher: Path) -> dict[str, str]:
    return {"teacher": kill.sha256_of(teacher), artifact.name: kill.sha256_of(artifact)}


@pytest.fixture(scope="module")
def whole(
    built_chat: Built, made_chat_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Whole:
    return Whole(
        recipe=made_chat_project / "recipe.yaml",
        cache=tmp_path_factory.getbasetemp() / "cache",
        left=digests(built_chat.artifacts[0].path, built_chat.teacher),
    )


@pytest.fixture(scope="module")
def whole_budget(forked: Forked, whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The same model in a file whose types are chosen and whose weights GPTQ rounds."""
    folder = tmp_path_factory.mktemp("budget")
    cache = folder / "cache"
    start = ((str(whole.without(("judge",), folder)), str(cache)),)
    out = str(folder / "out")
    ended = forked.run(Run(str(whole.recipe), str(cache), out, settings=BUDGET, copy=start))
    assert ended.code == 0, ended.stderr
    return Whole(whole.recipe, cache, ended.left, BUDGET)


@pytest.mark.usefixtures("has_small_disk")
@pytest.mark.parametrize(
    ("build", "piece"),
    [*(("whole", one) for one in WRITING), *(("whole_budget", one) for one in OF_A_BUDGET[2:])],
)
def test_a_full_disk_is_told_and_costs_nothing(
    request: pytest.FixtureRequest,
    forked: Forked,
    build: str,
    small_disk: Path,
    tmp_path: Path,
    piece: str,
) -> None:
    whole: Whole = request.getfixturevalue(build)
    cache = str(small_disk / "cache")
    run = Run(
        recipe=str(whole.recipe),
        cache=cache,
        out=str(tmp_path / "out"),
        settings=whole.settings,
        remove=(cache,),
        copy=((str(whole.without((piece,), tmp_path)), cache),),
        fill=str(small_disk),
        fill_at=f"{piece}:begun",
        spare_bytes=PART,
    )
    full = forked.run(run)
    assert full.code == 1, full.stderr
    assert "Traceback" not in full.stderr
    [told] = [line for line in full.stderr.splitlines() if line.startswith("edgekit: ")]
    assert "the disk is full" in told, told
    assert f"'{piece}'" in told
    again = forked.run(run.again())
    assert again.code == 0, again.stderr
    assert whole.left.items() <= again.left.items()
    assert again.unfinished == []
    assert {point.partition(":")[0] for point in again.points} == {piece}


@pytest.mark.usefixtures("has_small_disk")
def test_a_full_disk_of_the_output_is_told_and_costs_nothing(
    forked: Forked, whole: Whole, small_disk: Path, tmp_path: Path
) -> None:
    """The artifact is put together beside what was there, and takes its place when it is whole."""
    cache, out = tmp_path / "cache", str(small_disk / "out")
    run = Run(
        recipe=str(whole.recipe),
        cache=str(cache),
        out=out,
        remove=(out,),
        copy=((str(whole.without(("judge",), tmp_path)), str(cache)),),
        fill=str(small_disk),
        fill_at="judge:finished",
        spare_bytes=PART,
    )
    full = forked.run(run)
    assert full.code == 1, full.stderr
    assert "'tiny-chat-gguf' needs more" in full.stderr
    assert sorted(full.left) == ["teacher"]
    again = forked.run(run.again())
    assert again.code == 0, again.stderr
    assert whole.left.items() <= again.left.items()
    assert again.points == []


@pytest.mark.timeout(4 * 3600 if TIMES else 300)
def test_a_kill_at_any_moment_changes_nothing(forked: Forked, whole: Whole, tmp_path: Path) -> None:
    """Of the whole build, or of its last pieces where the test is to be short."""
    removed = (*WRITING, *OTHERS) if TIMES else ("gguf-quantize", "judge")
    start = str(whole.without(removed, tmp_path))
    run = Run(str(whole.recipe), str(tmp_path / "cache"), str(tmp_path / "out"))
    run = replace(run, remove=(run.cache, run.out), copy=((start, run.cache),))
    ended = forked.run(run)
    assert whole.left.items() <= ended.left.items(), ended.stderr
    chance = random.Random(3)
    seconds, rounds = ended.seconds, 0
    while rounds < int(TIMES or "1"):
        killed = forked.run(replace(run, die_after_s=chance.uniform(0.02, seconds)))
        if killed.code != KILLED:
            seconds = killed.seconds  # it had ended before: quicker than the first time
            continue
        again = forked.run(run.again())
        assert again.code == 0, again.stderr
        assert whole.left.items() <= again.left.items()
        assert again.unfinished == []
        rounds += 1

"""The store on a disk that forgets, with the power cut before every sync and rename.

Two things are held. *Never wrong*: whatever the cut left, running again gives the right files,
even on a drive that acknowledged a sync and did not do it. *Never lost*: what was promised before
the cut is still there: a finished entry, a sealed one, saved progress. Each sync must be needed:
leaving out any of them has to lose something, or the harness is blind.
"""

import functools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgekit.store.progress import load_progress, save_progress
from edgekit.store.store import PROGRESS, Store
from tests.crash.forgetful_disk import CUTS, ForgetfulDisk

SAVES = 2
# A step that makes a part of its work as an entry of its own, which other steps could share.
PARTS = {"second": "part"}
# For the many runs that each leave one sync out: the worst cases and one of the mixed.
FEW_CUTS = (*CUTS[:4], CUTS[-1])


class NoSync:
    """After the cut the harness only looks; syncing would be slow and change nothing."""

    def sync_file(self, path):
        pass

    def sync_folder(self, path):
        pass

    def replace(self, source, target):
        source.replace(target)


@dataclass
class Promises:
    """What the store has said is safe, for each step."""

    finished: set = field(default_factory=set)
    sealed: set = field(default_factory=set)
    saves: dict = field(default_factory=dict)


@dataclass
class Harness:
    scratch: Path
    steps: tuple = ("first", "second")
    cuts: tuple = CUTS
    lie: int | None = None
    looked: int = 0
    wrong: list = field(default_factory=list)
    lost: list = field(default_factory=list)
    seen: set = field(default_factory=set)
    promises: Promises = field(default_factory=Promises)

    def run(self):
        """One build on the forgetful disk, cut before each of its calls and at its end."""
        root = self.scratch / "disk"
        root.mkdir(parents=True)
        self.disk = ForgetfulDisk(root, lie=self.lie)
        self.disk.before_call = self._cut_everywhere
        try:
            with Store(
                root / "cache" / "store",
                budget_bytes=10**9,
                disk=self.disk,
                on_commit=self._note,
            ) as store:
                _build(store, self.steps, self._make)
                self._cut_everywhere()
        finally:
            self.disk.close()
        return self

    def _make(self, folder, *, name, run):
        return _make(folder, name=name, run=run, disk=self.disk, saved=self._saved)

    def _note(self, point):
        name, _, what = point.partition(":")
        if what == "sealed":
            self.promises.sealed.add(name)
        if what == "finished":
            self.promises.finished.add(name)
        self._cut_everywhere()

    def _saved(self, name, save):
        self.promises.saves[name] = save
        self._cut_everywhere()

    def _cut_everywhere(self):
        if self.lie is not None and self.disk.syncs <= self.lie:
            return  # up to here all is as on an honest disk
        for cut in self.cuts:
            tree = self.disk.after_cut(cut)
            state = (tree.key(), repr(self.promises))
            if state in self.seen:
                continue
            self.seen.add(state)
            self.looked += 1
            after = self.scratch / f"after-{self.looked}"
            tree.write(after)
            self._look_after(after, cut)

    def _look_after(self, root, cut):
        """The power is back: what is there, and what does running again give?"""
        made, resumed = set(), {}

        def make(folder, *, name, run):
            made.add(name)
            progress = load_progress(folder / PROGRESS)
            resumed[name] = progress.state["save"] if progress else 0
            return _make(folder, name=name, run=run, disk=NoSync())

        with Store(root / "cache" / "store", budget_bytes=10**9, disk=NoSync()) as store:
            for name in self.promises.finished:
                if store.find(name, _inputs(name)) is None:
                    self.lost.append((cut, f"{name} was finished and is not found"))
            results = _build(store, self.steps, make)
        for name, finished in results.items():
            if _content(finished.folder, finished.digests) != _right(name):
                self.wrong.append((cut, f"{name} is wrong"))
            if name in self.promises.sealed and name in made:
                self.lost.append((cut, f"{name} was sealed and is made again"))
            if name in made and resumed[name] < self.promises.saves.get(name, 0):
                self.lost.append((cut, f"{name} lost progress"))


def _inputs(name):
    return {"name": name}


def _build(store, steps, make):
    results = {}

    def run(name):
        results[name] = store.run(name, _inputs(name), functools.partial(make, name=name, run=run))

    for name in steps:
        run(name)
    return results


def _make(folder, *, name, run, disk, saved=lambda name, save: None):
    """A long step: it saves its progress twice, and goes on from there if it was stopped."""
    if name in PARTS:
        run(PARTS[name])
    progress = load_progress(folder / PROGRESS)
    for save in range(progress.state["save"] if progress else 0, SAVES):
        save_progress(
            folder / PROGRESS,
            lambda empty: (empty / "weights.bin").write_bytes(b"so far"),
            state={"save": save + 1},
            disk=disk,
        )
        saved(name, save + 1)
    (folder / "inner").mkdir()
    for path, content in _right(name).items():
        (folder / path).write_bytes(content)
    return {"step": name}


def _right(name):
    return {"config.json": b'{"name": "%s"}' % name.encode(), "inner/weights.bin": b"0123" * 8}


def _content(folder, digests):
    return {name: (folder / name).read_bytes() for name in digests}


@pytest.fixture
def scratch(tmp_path):
    """In memory where that is possible: thousands of small files are slow on a real disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_a_power_cut_at_any_moment_loses_nothing_that_was_promised(scratch):
    harness = Harness(scratch).run()
    assert harness.looked > 100
    assert harness.wrong == []
    assert harness.lost == []


def test_every_sync_is_needed_and_none_is_trusted(scratch):
    """Leaving out any one sync loses something here, and yet never gives a wrong result."""
    syncs = Harness(scratch / "count", steps=("only",), cuts=()).run().disk.syncs
    assert syncs > 15
    for lie in range(syncs):
        harness = Harness(scratch / str(lie), steps=("only",), cuts=FEW_CUTS, lie=lie).run()
        assert harness.lost, f"sync {lie} of {syncs} could be left out and nobody would notice"
        assert harness.wrong == [], f"without sync {lie}"


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_the_disk_keeps_what_was_synced_and_nothing_more(tmp_path, cut):
    root = tmp_path / "root"
    root.mkdir()
    disk = ForgetfulDisk(root)
    (root / "kept").mkdir()
    (root / "kept" / "synced").write_bytes(b"synced")
    (root / "kept" / "unsynced").write_bytes(b"unsynced")
    disk.sync_file(root / "kept" / "synced")
    disk.sync_folder(root / "kept")
    disk.sync_folder(root)
    (root / "kept" / "unnamed").write_bytes(b"unnamed")
    tree = disk.after_cut(cut).folders["kept"]
    disk.close()
    assert tree.files["synced"] == b"synced"
    if cut.bytes in ("empty", "half", "garbage"):
        assert tree.files["unsynced"] != b"unsynced"
    if cut.names != "any":
        assert ("unnamed" in tree.files) == (cut.names == "new")

"""A folder takes the place of another: the power is cut, or the program killed, at every moment.

At its name stands the old folder or the new one, whole; where two folders cannot be swapped, the
old one may stand beside it until the next run. When the work has ended it is the new one, for good.
"""

import functools
import itertools
import tempfile
from pathlib import Path

import pytest

from edgekit.system.disk import replacing
from tests.crash.forgetful_disk import CUTS, Cut, ForgetfulDisk

OLD = {"manifest.json": b"old", "model.onnx": b"0123" * 8, "only-old": b"x"}
NEW = {"manifest.json": b"new", "model.onnx": b"4567" * 8, "only-new": b"y"}
NAME = "intents-onnx"
KILL = Cut(names="new", bytes="new")


class Killed(BaseException):
    """Nothing may catch it and clean up: there is no such moment in a kill."""


def put(out, content, disk):
    with replacing(out / NAME, disk=disk) as folder:
        for name, data in content.items():
            (folder / name).write_bytes(data)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else None


class Replaced:
    """An old folder, safely on the disk, is replaced; `on_call` is told before each disk call."""

    def __init__(self, root, *, lie=None, swaps=True):
        root.mkdir(parents=True)
        self.out = root / "out"
        honest = ForgetfulDisk(root, swaps=swaps)
        put(self.out, OLD, honest)
        honest.close()
        self.disk = ForgetfulDisk(root, lie=lie, swaps=swaps)
        # What an honest disk holds already, the new one has to be told.
        for path in (*(self.out / NAME).iterdir(), self.out / NAME, self.out):
            self._settle(path)
        self.disk.syncs = 0
        self.calls = 0

    def _settle(self, path):
        lie, self.disk._lie = self.disk._lie, None
        (self.disk.sync_folder if path.is_dir() else self.disk.sync_file)(path)
        self.disk._lie = lie

    def run(self, on_call=lambda number: None):
        def before_call():
            self.calls += 1
            on_call(self.calls)

        self.disk.before_call = before_call
        put(self.out, NEW, self.disk)


class Looker:
    """Cuts the power, looks at what is left, and runs again on an honest disk."""

    def __init__(self, scratch, replaced, *, cuts=CUTS):
        self.scratch, self.replaced, self.cuts = scratch, replaced, cuts
        self.numbers = itertools.count()
        self.neither, self.not_new = [], []

    def cut(self, _=None, *, ended=False):
        for cut in self.cuts:
            root = self.scratch / f"after-{next(self.numbers)}"
            self.replaced.disk.after_cut(cut).write(root)
            found = content(root / "out" / NAME)
            if ended and found != NEW:
                self.not_new.append(cut)
            if found not in (OLD, NEW) and not self._aside(root):
                self.neither.append((cut, found))
            disk = ForgetfulDisk(root)
            put(root / "out", NEW, disk)
            assert content(root / "out" / NAME) == NEW
            assert [path.name for path in (root / "out").iterdir()] == [NAME]
            disk.close()

    def _aside(self, root):
        """Only where there is no swapping, and only while nothing stands at the name itself."""
        if self.replaced.disk._swaps or (root / "out" / NAME).exists():
            return False
        return content(root / "out" / f"{NAME}.replaced") in (OLD, NEW)


@pytest.fixture
def scratch():
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("swaps", [True, False], ids=["swaps", "two moves"])
def test_a_power_cut_leaves_the_old_or_the_new(scratch, swaps):
    replaced = Replaced(scratch / "disk", swaps=swaps)
    looker = Looker(scratch, replaced)
    replaced.run(looker.cut)
    looker.cut(ended=True)
    replaced.disk.close()
    assert replaced.calls >= len(NEW) + 3
    assert looker.neither == []
    assert looker.not_new == []


def test_every_sync_is_needed(scratch):
    counted = Replaced(scratch / "count")
    counted.run()
    counted.disk.close()
    assert counted.disk.syncs == len(NEW) + 2
    for lie in range(counted.disk.syncs):
        replaced = Replaced(scratch / str(lie) / "disk", lie=lie)
        looker = Looker(scratch / str(lie), replaced)
        replaced.run(looker.cut)
        looker.cut(ended=True)
        replaced.disk.close()
        assert looker.neither or looker.not_new, f"nobody would notice that sync {lie} is gone"


@pytest.mark.parametrize("swaps", [True, False], ids=["swaps", "two moves"])
def test_a_kill_and_then_a_power_cut_while_the_next_run_cleans_up(scratch, swaps):
    """What was renamed before the kill may not be on the disk yet when the next run removes."""
    calls = Replaced(scratch / "count", swaps=swaps)
    calls.run()
    calls.disk.close()
    for call in range(1, calls.calls + 1):
        replaced = Replaced(scratch / str(call) / "disk", swaps=swaps)
        with pytest.MonkeyPatch.context() as patch:
            # The dead do not clean up.
            patch.setattr("edgekit.system.disk.remove", lambda path: None)
            patch.setattr("edgekit.system.disk._put_back", lambda folder, disk: None)
            with pytest.raises(Killed):
                replaced.run(functools.partial(_kill_at, call))
        looker = Looker(scratch / str(call), replaced)
        replaced.run(looker.cut)
        looker.cut(ended=True)
        replaced.disk.close()
        assert looker.neither == [], call
        assert looker.not_new == [], call


def _kill_at(call, number):
    if number == call:
        raise Killed


@pytest.mark.parametrize("swaps", [True, False], ids=["swaps", "two moves"])
def test_what_fails_leaves_the_old_and_nothing_else(scratch, swaps):
    counted = Replaced(scratch / "count", swaps=swaps)
    counted.run()
    counted.disk.close()
    for call in range(1, counted.calls):  # the last one is the sync after the last move
        replaced = Replaced(scratch / str(call) / "disk", swaps=swaps)

        def fail(number, call=call):
            if number == call:
                raise PermissionError("somebody looks into it")

        with pytest.raises(PermissionError):
            replaced.run(fail)
        replaced.disk.close()
        assert content(replaced.out / NAME) == OLD
        assert [path.name for path in replaced.out.iterdir()] == [NAME]

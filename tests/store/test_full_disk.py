import errno
import shutil
import subprocess
import sys

import pytest

from edgekit.build import rates, speed
from edgekit.errors import OutOfDisk, StepError
from edgekit.job.cost import Rates
from edgekit.store.store import Store
from edgekit.system import machine

INPUTS = {"seed": 7}


def write(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "weights.bin").write_bytes(b"w" * 1000)
    (folder / "config.json").write_text("{}")
    return {}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store", budget_bytes=10**9) as store:
        yield store


ERRORS = (
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    RuntimeError("I/O error: No space left on device (os error 28)"),
    StepError("the quantizer died: [Errno 28] No space left on device"),
)


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_it_is_told_with_folder_and_remedy_and_the_room_is_given_back(store, error):
    def fill(folder):
        (folder / "big.bin").write_bytes(b"x" * 1000)
        raise error

    with pytest.raises(OutOfDisk) as caught:
        store.run("distill", INPUTS, fill)
    message = str(caught.value)
    assert str(store.folder) in message
    assert "'distill'" in message
    assert "edgekit store --clear" in message
    assert store.find("distill", INPUTS) is None
    assert not list(store.folder.rglob("big.bin"))
    assert store.run("distill", INPUTS, write).digests


def test_an_error_in_handling_it_counts_too(store):
    def fill(folder):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("cannot save")  # noqa: B904  as careless libraries do

    with pytest.raises(OutOfDisk):
        store.run("distill", INPUTS, fill)


def test_other_errors_stay_what_they_are(store):
    def fail(folder):
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        store.run("distill", INPUTS, fail)


def test_it_is_told_before_the_first_step_too(tmp_path, monkeypatch):
    def fail(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(speed, "measure", lambda *_, **__: Rates(1.0, 1.0, 1.0, 1.0, 1))
    monkeypatch.setattr(machine, "write_safely", fail)
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OutOfDisk, match=r"rates needs more.*EDGEKIT_CACHE"):
        rates.rates(
            model=tmp_path, size=rates.Size(2, 9), device="cpu", batch=8, length=8, window=8
        )


@pytest.mark.parametrize("call", range(8))
def test_it_may_happen_at_any_write_of_the_commit(tmp_path, call):
    """At every sync and rename; the entry is then either whole or not there."""

    class FullDisk:
        calls = 0

        def sync_file(self, path):
            self.meet()

        def sync_folder(self, path):
            self.meet()

        def replace(self, source, target):
            self.meet()
            source.replace(target)

        def meet(self):
            self.calls += 1
            if self.calls == call + 1:
                raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "store"
    folder.mkdir()
    with Store(folder, budget_bytes=10**9, disk=FullDisk()) as store:
        with pytest.raises(OutOfDisk):
            store.run("distill", INPUTS, write)
        mended = store.run("distill", INPUTS, write)
    assert set(mended.digests) == {"inner/weights.bin", "config.json"}


PROGRAM = """
import os, pathlib, sys
import numpy
from safetensors.numpy import save_file
from edgekit.errors import OutOfDisk
from edgekit.store.store import Store

def plain(folder):
    (folder / "weights.bin").write_bytes(os.urandom(2_000_000))
    return {}

def tensors(folder):
    save_file({"weights": numpy.ones(500_000, "float32")}, folder / "model.safetensors")
    return {}

def small(folder):
    (folder / "small").write_bytes(bytes(600_000))
    return {}

store = Store(pathlib.Path(sys.argv[1]))
for make in (plain, tensors):
    try:
        store.run(make.__name__, {}, make)
    except OutOfDisk as error:
        print(error)
    print(store.find(make.__name__, {}))
print(len(store.run("small", {}, small).digests))
"""


def test_a_real_full_disk(tmp_path):
    """A disk of one megabyte, in a namespace of its own; twice a step of two megabytes."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    program = tmp_path / "fill.py"
    program.write_text(PROGRAM)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = f'mount -t tmpfs -o size=1m none "{disk}" && "{sys.executable}" "{program}" "{disk}"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", command],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    told, found, *rest = done.stdout.splitlines()
    assert f"{disk}: the disk is full; the step 'plain' needs more than the 1.0 MB" in told
    assert "the step 'tensors' needs more than the 1.0 MB" in rest[0]
    assert (found, rest[1:]) == ("None", ["None", "1"])

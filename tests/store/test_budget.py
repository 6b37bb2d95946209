import os
import subprocess
import sys
import time

import pytest

from edgekit.errors import EdgekitError
from edgekit.store.store import Store, key_of


def write(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "weights.bin").write_bytes(b"w" * 1000)
    (folder / "config.json").write_text("{}")
    return {}


def _fill(store, count):
    for index in range(count):
        made = store.run("step", {"index": index}, write)
        os.utime(made.folder, (index, index))
    return [store.folder / key_of("step", {"index": index}) for index in range(count)]


def test_the_oldest_use_goes_first(tmp_path):
    with Store(tmp_path, budget_bytes=10**9) as store:
        folders = _fill(store, 4)
        size = store.entries()[0].size_bytes
    with Store(tmp_path, budget_bytes=10**9) as store:
        store.run("step", {"index": 0}, write)  # used just now: the youngest
    with Store(tmp_path, budget_bytes=2 * size + 10) as store:
        removed = store.trim()
    assert [entry.folder for entry in removed] == folders[1:3]
    assert [folder.is_dir() for folder in folders] == [True, False, False, True]
    assert not list(tmp_path.glob(f"locks/{folders[1].name}*"))


def test_a_run_trims_by_itself_but_never_what_it_uses(tmp_path):
    with Store(tmp_path, budget_bytes=10**9) as store:
        old = _fill(store, 2)
    with Store(tmp_path, budget_bytes=0) as store:
        first = store.run("new", {"index": 0}, write)
        second = store.run("new", {"index": 1}, write)
        assert first.folder.is_dir()
        assert second.folder.is_dir()
    assert not any(folder.exists() for folder in old)


def test_what_another_live_build_uses_stays(tmp_path):
    ready, leave = tmp_path / "ready", tmp_path / "leave"
    program = (
        "import pathlib, sys, time\n"
        "from edgekit.store.store import Store\n"
        "store, ready, leave = (pathlib.Path(name) for name in sys.argv[1:])\n"
        "store = Store(store, budget_bytes=10**9)\n"
        "store.run('theirs', {}, lambda folder: {})\n"
        "def make(folder):\n"
        "    (folder / 'being made').write_text('x')\n"
        "    ready.touch()\n"
        "    while not leave.exists(): time.sleep(0.01)\n"
        "    return {}\n"
        "store.run('now', {}, make)\n"
    )
    folder = tmp_path / "store"
    other = subprocess.Popen([sys.executable, "-c", program, folder, ready, leave])
    try:
        while not ready.exists():
            assert other.poll() is None
            time.sleep(0.01)
        with Store(folder, budget_bytes=0) as store:
            assert {entry.in_use for entry in store.entries()} == {True}
            assert store.clear() == []
            leave.touch()
            assert other.wait(timeout=60) == 0
            assert {entry.in_use for entry in store.entries()} == {False}
            assert {entry.name for entry in store.clear()} == {"theirs", "now"}
        assert store.entries() == []
    finally:
        other.kill()
        other.wait()


def test_a_killed_build_holds_nothing(tmp_path):
    program = (
        "import os, pathlib, sys\n"
        "from edgekit.store.store import Store\n"
        "store = Store(pathlib.Path(sys.argv[1]), budget_bytes=10**9)\n"
        "store.run('done', {}, lambda folder: {})\n"
        "store.run('begun', {}, lambda folder: os.kill(os.getpid(), 9))\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    with Store(tmp_path, budget_bytes=10**9) as store:
        states = {(entry.name, entry.finished, entry.in_use) for entry in store.entries()}
        assert states == {("done", True, False), ("", False, False)}
        assert not list((tmp_path / "runs").iterdir())
        assert len(store.clear()) == 2


def test_files_of_others_are_left_alone(tmp_path):
    with Store(tmp_path, budget_bytes=10**9) as store:
        store.run("step", {}, write)
    (tmp_path / "notes.txt").write_text("mine")
    assert len(store.clear()) == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_budget_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_STORE_BUDGET", "10GB")
    assert Store(tmp_path).budget_bytes == 10**10
    monkeypatch.delenv("EDGEKIT_STORE_BUDGET")
    assert Store(tmp_path).budget_bytes == 20 * 10**9
    monkeypatch.setenv("EDGEKIT_STORE_BUDGET", "lots")
    with pytest.raises(EdgekitError, match="EDGEKIT_STORE_BUDGET: 'lots' is not a size"):
        Store(tmp_path)

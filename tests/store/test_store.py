import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.errors import StepError
from edgekit.store.progress import SPENT, save_progress
from edgekit.store.seal import DONE
from edgekit.store.store import COMMIT_POINTS, PROGRESS, Store, key_of

INPUTS = {"seed": 7, "settings": {"layers": 4}}


class Step:
    """Writes two files, one of them in a folder; counts how often it was asked to."""

    def __init__(self, size=10):
        self.size = size
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "inner").mkdir()
        (folder / "inner" / "weights.bin").write_bytes(b"w" * self.size)
        (folder / "config.json").write_text("{}")
        return {"layers": (12, 4)}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "cache" / "store", budget_bytes=10**9) as store:
        yield store


def test_a_step_is_made_once(store):
    step = Step()
    first = store.run("distill", INPUTS, step)
    again = store.run("distill", INPUTS, step)
    assert step.calls == 1
    assert (first.reused, again.reused) == (False, True)
    assert first.record == again.record == {"layers": [12, 4]}
    assert set(first.digests) == {"inner/weights.bin", "config.json"}
    assert first.digest == again.digest
    assert first.peak_bytes > 1_000_000
    assert again.seconds == first.seconds >= 0
    assert first.folder.name == first.key
    assert first.damage is None


def test_each_input_has_an_entry_of_its_own(store):
    step = Step()
    store.run("distill", INPUTS, step)
    store.run("distill", {**INPUTS, "seed": 8}, step)
    store.run("prune", INPUTS, step)
    assert step.calls == 3
    assert len(store.entries()) == 3


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.booleans(), max_size=4),
    st.randoms(use_true_random=False),
)
def test_a_key_depends_on_values_and_never_on_order(inputs, random):
    shuffled = list(inputs.items())
    random.shuffle(shuffled)
    assert key_of("a", inputs) == key_of("a", dict(shuffled))
    assert key_of("a", inputs) != key_of("b", inputs)
    assert key_of("a", inputs) != key_of("a", {**inputs, "one more": 1})


def test_find_gives_what_is_done_and_makes_nothing(store):
    assert store.find("distill", INPUTS) is None
    assert not store.folder.exists()
    made = store.run("distill", INPUTS, Step())
    found = store.find("distill", INPUTS)
    assert found.digests == made.digests
    assert found.reused


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "a flipped bit": lambda folder: _flip(folder / "inner" / "weights.bin"),
    "a short file": lambda folder: (folder / "config.json").write_bytes(b"{"),
    "a missing file": lambda folder: (folder / "config.json").unlink(),
    "a missing folder": lambda folder: shutil.rmtree(folder / "inner"),
    "a file too many": lambda folder: (folder / "inner" / "more").write_bytes(b""),
    "a link": lambda folder: (folder / "more").symlink_to(folder / "config.json"),
    "a folder in a file's place": lambda folder: _put_folder(folder / "config.json"),
    "no DONE.json": lambda folder: (folder / DONE).unlink(),
    "an empty DONE.json": lambda folder: (folder / DONE).write_bytes(b""),
    "half a DONE.json": lambda folder: os.truncate(folder / DONE, 60),
    "a flipped bit in DONE.json": lambda folder: _flip(folder / DONE),
    "another record": lambda folder: _edit(folder / DONE, "12", "13"),
    "a space in DONE.json": lambda folder: _edit(folder / DONE, ",", ", "),
    "a number for DONE.json": lambda folder: (folder / DONE).write_text("7"),
    "a list for DONE.json": lambda folder: (folder / DONE).write_text("[]"),
    "a bomb for DONE.json": lambda folder: (folder / DONE).write_text("[" * 100_000),
    "no folder but a file": lambda folder: (shutil.rmtree(folder), folder.write_text("x")),
}


def _put_folder(path):
    path.unlink()
    path.mkdir()


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_entry_is_never_used_but_made_again(store, damage):
    step = Step()
    sound = store.run("distill", INPUTS, step)
    damage(sound.folder)
    assert store.find("distill", INPUTS) is None
    mended = store.run("distill", INPUTS, step)
    assert step.calls == 2
    assert not mended.reused
    assert str(sound.folder) in mended.damage
    assert mended.digests == sound.digests
    assert store.find("distill", INPUTS).digests == sound.digests


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_seen(store, data):
    sound = store.run("distill", INPUTS, Step())
    path = sound.folder / data.draw(st.sampled_from([*sound.digests, DONE]))
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 2**20)) % (8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    assert store.find("distill", INPUTS) is None


def test_what_a_crash_left_is_cleared_except_progress(store):
    def crash(folder):
        (folder / "half.bin").write_bytes(b"half")
        (folder / "inner").mkdir()
        (folder / PROGRESS).mkdir()
        (folder / PROGRESS / "kept").write_bytes(b"kept")
        raise KeyboardInterrupt

    seen = []

    def make(folder):
        seen.extend(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")))
        return Step()(folder)

    with pytest.raises(KeyboardInterrupt):
        store.run("distill", INPUTS, crash)
    (partial,) = store.folder.glob("*.partial")
    (partial / "after the kill").write_bytes(b"")
    finished = store.run("distill", INPUTS, make)
    assert seen == [PROGRESS, f"{PROGRESS}/kept"]
    assert set(finished.digests) == {"inner/weights.bin", "config.json"}
    assert not (finished.folder / PROGRESS).exists()
    assert not partial.exists()


def test_what_a_step_took_counts_the_attempts_before(store):
    def cut(folder):
        save_progress(folder / PROGRESS, lambda empty: None, state={SPENT: 5000.0})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.run("distill", INPUTS, cut)
    assert 5000.0 <= store.run("distill", INPUTS, Step()).seconds < 10_000.0


def test_work_that_is_sealed_is_taken_up_and_not_made_again(store):
    """The end may come between the last byte and the rename."""
    step = Step()
    made = store.run("distill", INPUTS, step)
    partial = made.folder.with_name(made.key + ".partial")
    made.folder.rename(partial)
    (partial / PROGRESS).mkdir()
    again = store.run("distill", INPUTS, step)
    assert step.calls == 1
    assert again.reused
    assert again.digests == made.digests
    assert not (again.folder / PROGRESS).exists()


def test_work_that_was_sealed_and_then_damaged_is_made_again(store):
    step = Step()
    made = store.run("distill", INPUTS, step)
    partial = made.folder.with_name(made.key + ".partial")
    made.folder.rename(partial)
    _flip(partial / "config.json")
    assert store.run("distill", INPUTS, step).digests == made.digests
    assert step.calls == 2


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({"loss": float("nan")}, "JSON"),
        ({"path": Path("x")}, "Path"),
        ({"text": "\ud800"}, "utf-8"),
    ],
)
def test_a_record_that_is_no_json_is_refused_and_leaves_nothing(store, record, fault):
    with pytest.raises(StepError, match=fault):
        store.run("distill", INPUTS, lambda folder: record)
    assert store.find("distill", INPUTS) is None
    assert store.run("distill", INPUTS, Step()).digests


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: (folder / DONE).write_text("{}"),
        lambda folder: (folder / "link").symlink_to(folder),
        lambda folder: os.mkfifo(folder / "pipe"),
    ],
    ids=["DONE.json", "a link", "a pipe"],
)
def test_what_cannot_be_kept_is_refused_by_name(store, make):
    with pytest.raises(StepError, match=r"DONE\.json|link|pipe"):
        store.run("distill", INPUTS, lambda folder: (make(folder) and {}) or {})
    assert store.find("distill", INPUTS) is None


def test_a_failing_step_raises_its_own_error_and_can_run_again(store):
    def fail(folder):
        raise StepError("spam.yaml:3: step 1 (distill) diverged; lower the learning rate.")

    with pytest.raises(StepError, match="diverged"):
        store.run("distill", INPUTS, fail)
    assert not store.run("distill", INPUTS, Step()).reused


def test_commit_points_come_in_order(tmp_path):
    heard = []
    with Store(tmp_path, budget_bytes=10**9, on_commit=heard.append) as store:
        store.run("distill", INPUTS, Step())
        assert heard == [f"distill:{point}" for point in COMMIT_POINTS]
        store.run("distill", INPUTS, Step())
    assert len(heard) == len(COMMIT_POINTS)


def test_the_peak_is_that_of_the_step_alone(store):
    """Not of the process, whose peak a small step after a large one would inherit."""

    def large(folder):
        block = bytearray(300_000_000)
        block[::4096] = b"x" * len(block[::4096])
        time.sleep(0.15)
        return {}

    large_peak = store.run("large", {}, large).peak_bytes
    small_peak = store.run("small", {}, Step()).peak_bytes
    assert large_peak - small_peak > 200_000_000


def test_two_builds_make_one_entry_once(tmp_path):
    """Threads with a store each, as two processes have; one waits for the other."""
    running = threading.Semaphore(1)
    results = []

    def make(folder):
        assert running.acquire(blocking=False)
        time.sleep(0.05)
        running.release()
        return Step()(folder)

    def build():
        with Store(tmp_path, budget_bytes=10**9) as store:
            results.append(store.run("distill", INPUTS, make))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.reused for result in results) == [False, True, True, True]
    assert len({result.digest for result in results}) == 1


def test_a_folder_that_cannot_be_the_store_is_told_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StepError, match=r"cannot be written.*EDGEKIT_CACHE"):
        Store(tmp_path / "file" / "store").run("distill", INPUTS, Step())
    with pytest.raises(StepError, match=r"cannot be written.*EDGEKIT_CACHE"):
        Store(tmp_path / "file").run("distill", INPUTS, Step())


def test_the_layout_on_disk_is_what_other_versions_will_find(store):
    """Another version of edgekit reads the same store; a change here needs a new layout number."""
    made = store.run("distill", INPUTS, Step())
    done = json.loads((made.folder / DONE).read_text())
    assert sorted(done) == ["digest", "digests", "facts"]
    assert sorted(done["facts"]) == ["name", "peak_bytes", "record", "seconds"]
    assert made.key == "ededd565befc46f83ad8e4734025af86216e3e342ec244733441ab740379ae9a"
    assert PROGRESS == "progress"

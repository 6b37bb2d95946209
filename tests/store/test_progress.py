import errno
import shutil

import pytest

from edgekit.errors import StepError
from edgekit.store.progress import SPENT, load_progress, save_progress, spent_seconds
from edgekit.store.seal import DONE


def _save(folder, iteration):
    save_progress(
        folder,
        lambda empty: (empty / "weights.bin").write_bytes(b"%d" % iteration),
        state={"iteration": iteration},
    )


def test_the_newest_save_is_given_and_the_older_gone(tmp_path):
    folder = tmp_path / "progress"
    assert load_progress(folder) is None
    for iteration in range(1, 4):
        _save(folder, iteration)
        progress = load_progress(folder)
        assert progress.state == {"iteration": iteration}
        assert (progress.folder / "weights.bin").read_bytes() == b"%d" % iteration
    assert len(list(folder.iterdir())) == 1


def test_a_failed_save_leaves_the_one_before(tmp_path):
    _save(tmp_path, 1)

    def fill(empty):
        (empty / "weights.bin").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        save_progress(tmp_path, fill, state={"iteration": 2})
    assert load_progress(tmp_path).state == {"iteration": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_save_is_passed_over_for_the_one_before(tmp_path):
    _save(tmp_path, 1)
    shutil.copytree(tmp_path / "00000001", tmp_path / "00000002")
    (tmp_path / "00000002" / "weights.bin").write_bytes(b"2")
    assert load_progress(tmp_path).state == {"iteration": 1}
    (tmp_path / "00000001" / DONE).write_bytes(b"{}")
    assert load_progress(tmp_path) is None


def test_an_interrupted_save_counts_for_nothing(tmp_path):
    _save(tmp_path, 1)
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "weights.bin").write_bytes(b"half")
    assert load_progress(tmp_path).state == {"iteration": 1}
    _save(tmp_path, 2)
    assert load_progress(tmp_path).state == {"iteration": 2}


def test_state_is_json(tmp_path):
    with pytest.raises(StepError, match="JSON"):
        save_progress(tmp_path, lambda empty: None, state={"loss": float("inf")})
    assert load_progress(tmp_path) is None


def test_the_time_spent_is_that_of_the_newest_save_that_says_it(tmp_path):
    assert spent_seconds(tmp_path / "none") == 0.0
    save_progress(tmp_path, lambda empty: None, state={SPENT: 90.5})
    shutil.copytree(tmp_path / "00000001", tmp_path / "00000002")
    (tmp_path / "00000002" / DONE).write_bytes(b"{}")
    assert spent_seconds(tmp_path) == 90.5
    _save(tmp_path, 3)
    assert spent_seconds(tmp_path) == 0.0

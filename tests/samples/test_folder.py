from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edgekit.errors import OutOfDisk, SampleError
from edgekit.samples import folder


def make(partial: Path) -> None:
    (partial / "data").mkdir()
    (partial / "data" / "train.csv").write_text("text,label\n")
    (partial / "recipe.yaml").write_text("version: 1\n")


def refuse(partial: Path) -> None:
    raise AssertionError("a complete sample was made again")


def fill(path: Path) -> Path:
    return folder.fill(path, make, sample="tiny", version=1)


def test_a_complete_folder_is_left_alone_with_what_was_built_in_it(tmp_path: Path) -> None:
    fill(tmp_path / "tiny")
    (tmp_path / "tiny" / "out").mkdir()
    folder.fill(tmp_path / "tiny", refuse, sample="tiny", version=1)
    names = sorted(path.name for path in (tmp_path / "tiny").iterdir())
    assert names == ["data", "out", "recipe.yaml", "sample.json"]


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_changed_sample_is_refused_by_the_name_of_the_file(tmp_path: Path, change: str) -> None:
    path = fill(tmp_path / "tiny") / "data" / "train.csv"
    path.unlink()
    if change == "edited":
        path.write_text("text,label,more\n")
    with pytest.raises(SampleError, match=r"data/train\.csv was changed or removed"):
        fill(tmp_path / "tiny")


def test_a_folder_in_use_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SampleError, match="holds other files"):
        fill(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("")
    with pytest.raises(SampleError, match="is a file"):
        fill(tmp_path / "tiny")


def test_another_version_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "tiny")
    with pytest.raises(SampleError, match="in version 1, not tiny in version 2"):
        folder.fill(tmp_path / "tiny", make, sample="tiny", version=2)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(partial: Path) -> None:
        make(partial)
        raise SampleError("no network")

    with pytest.raises(SampleError, match="no network"):
        folder.fill(tmp_path / "tiny", fail, sample="tiny", version=1)
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def fill_the_disk(partial: Path) -> None:
        make(partial)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutOfDisk, match="the sample needs more"):
        folder.fill(tmp_path / "tiny", fill_the_disk, sample="tiny", version=1)
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_run_killed_while_making_begins_again(tmp_path: Path) -> None:
    (tmp_path / "tiny" / ".partial").mkdir(parents=True)
    (tmp_path / "tiny" / ".partial" / "half").write_text("")
    fill(tmp_path / "tiny")
    names = sorted(path.name for path in (tmp_path / "tiny").iterdir())
    assert names == ["data", "recipe.yaml", "sample.json"]


def test_a_run_killed_while_moving_goes_on_without_making(tmp_path: Path) -> None:
    path = fill(tmp_path / "tiny")
    (path / ".partial").mkdir()
    for name in ("recipe.yaml", "sample.json"):
        (path / name).rename(path / ".partial" / name)
    folder.fill(path, refuse, sample="tiny", version=1)
    fill(path)
    assert not (path / ".partial").exists()


def test_a_damaged_marker_is_told(tmp_path: Path) -> None:
    (fill(tmp_path / "tiny") / "sample.json").write_text("{")
    with pytest.raises(SampleError, match="is damaged"):
        fill(tmp_path / "tiny")

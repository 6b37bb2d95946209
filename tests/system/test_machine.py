"""What the system says of itself, as files that it could have."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.system import machine


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "pod" / "box").mkdir(parents=True)
    path = tmp_path / "cgroup"
    path.write_text("0::/pod/box\n")
    return path


def test_no_quota_is_no_limit(own: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    assert machine.quota_cores(tree, own) is None
    (tree / "pod" / "box" / "cpu.max").write_text("max 100000\n")
    assert machine.quota_cores(tree, own) is None
    assert machine.quota_cores(tree, tmp_path / "gone") is None


def test_the_least_of_nested_quotas_holds_rounded_up(own: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "pod" / "box" / "cpu.max").write_text("800000 100000\n")
    assert machine.quota_cores(tree, own) == 8
    (tree / "pod" / "cpu.max").write_text("150000 100000\n")
    assert machine.quota_cores(tree, own) == 2
    own.write_text("0::/\n")  # as in a container with a name space of its own
    assert machine.quota_cores(tree, own) is None
    (tree / "cpu.max").write_text("50000 100000\n")
    assert machine.quota_cores(tree, own) == 1


def test_the_first_version_of_cgroups_is_read_too(tmp_path: Path) -> None:
    tree, own = tmp_path / "tree", tmp_path / "cgroup"
    own.write_text("7:memory:/box\n4:cpu,cpuacct:/box\n0::/\n")
    folder = tree / "cpu,cpuacct" / "box"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert machine.quota_cores(tree, own) is None
    (folder / "cpu.cfs_quota_us").write_text("300000\n")
    assert machine.quota_cores(tree, own) == 3


def test_there_is_always_a_core() -> None:
    assert machine.cores() >= 1

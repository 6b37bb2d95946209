import os

import pytest

from edgekit.system.disk import REAL_DISK, make_folder, remove, size_bytes


@pytest.fixture
def synced(monkeypatch):
    """Inodes that the system was asked to put on the disk."""
    inodes = []
    fsync = os.fsync

    def spy(descriptor):
        inodes.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    return inodes


def test_the_real_disk_asks_the_system_to_sync(tmp_path, synced):
    """The crash tests bring disks of their own; this one holds what users have."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    REAL_DISK.sync_file(path)
    assert synced == [path.stat().st_ino]
    REAL_DISK.sync_folder(tmp_path)
    assert synced[1:] == [tmp_path.stat().st_ino]


def test_a_rename_takes_the_place_of_a_file(tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("new")
    REAL_DISK.replace(tmp_path / "new", tmp_path / "old")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_each_parent_that_is_made_is_synced_into_its_own(tmp_path, synced):
    make_folder(tmp_path / "a" / "b", REAL_DISK)
    assert synced == [tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino]
    make_folder(tmp_path / "a" / "b", REAL_DISK)
    assert len(synced) == 2


def test_remove_takes_files_folders_and_links_but_not_what_links_name(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(kept)
    link = tmp_path / "link"
    link.symlink_to(kept)
    for path in (folder, link, tmp_path / "nothing"):
        remove(path)
        assert not path.exists()
    assert (kept / "file").read_text() == "x"


def test_size_counts_files_and_not_what_links_name(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"x" * 100)
    (tmp_path / "file").write_bytes(b"x" * 10)
    assert size_bytes(tmp_path) == 110
    (tmp_path / "gone").symlink_to("nowhere")
    assert size_bytes(tmp_path) == 110

from __future__ import annotations

import io
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import SampleError
from edgekit.samples import packages
from edgekit.samples.packages import Package
from edgekit.system.digest import sha256_file

from .conftest import write_wheel

PACKAGE = Package("tiny-thing", "1.0", "tiny_thing-1.0-py3-none-any.whl", "0" * 64)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks: a folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return folder


@pytest.fixture
def published(index: Path) -> Package:
    return write_wheel(index / PACKAGE.filename, PACKAGE, {"tiny_thing/data.bin": b"the data"})


def test_pip_fetches_once_and_the_cache_serves_after(
    published: Package, index: Path, cache: Path
) -> None:
    wheel = packages.fetch(published)
    assert wheel == cache / published.filename
    assert packages.read_member(wheel, "tiny_thing/data.bin") == b"the data"

    (index / published.filename).unlink()
    assert packages.fetch(published) == wheel
    assert [path.name for path in cache.iterdir()] == [published.filename]


def test_a_damaged_file_in_the_cache_is_fetched_anew(published: Package, cache: Path) -> None:
    packages.fetch(published)
    (cache / published.filename).write_bytes(b"half a download")
    assert packages.read_member(packages.fetch(published), "tiny_thing/data.bin") == b"the data"


def test_a_wheel_with_another_digest_is_refused_and_not_kept(
    published: Package, cache: Path
) -> None:
    with pytest.raises(SampleError, match=r"not the pinned 0000.*package index"):
        packages.fetch(PACKAGE)
    assert list(cache.iterdir()) == []


BACKEND = """
import pathlib

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    pathlib.Path({mark!r}).touch()
    made = pathlib.Path(folder, "tiny_source-1.0.dist-info")
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\\nName: tiny-source\\nVersion: 1.0\\n")
    return made.name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny-source"
version = "1.0"
"""


def test_the_code_of_a_source_package_runs_only_where_its_digest_is_right(
    index: Path, cache: Path, tmp_path: Path
) -> None:
    """pip builds one to learn what it is called."""
    package = Package("tiny-source", "1.0", "tiny_source-1.0.tar.gz", "0" * 64, source=True)
    mark = tmp_path / "it-ran"
    backend = BACKEND.format(mark=str(mark))
    with tarfile.open(index / package.filename, "w:gz") as archive:
        for name, text in (
            ("pyproject.toml", PROJECT),
            ("backend.py", backend),
            ("PKG-INFO", "Metadata-Version: 2.1\nName: tiny-source\nVersion: 1.0\n"),
        ):
            entry = tarfile.TarInfo(f"tiny_source-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    with pytest.raises(SampleError, match=r"pip could not download tiny-source==1\.0"):
        packages.fetch(package)
    assert not mark.exists()
    right = replace(package, sha256=sha256_file(index / package.filename))
    assert packages.fetch(right) == cache / package.filename
    assert mark.exists()


def test_what_pip_cannot_find_is_told_with_the_way_around(index: Path, cache: Path) -> None:
    with pytest.raises(SampleError) as caught:
        packages.fetch(PACKAGE)
    message = str(caught.value)
    assert "No matching distribution found for tiny-thing==1.0" in message
    assert f"put {PACKAGE.filename}" in message
    assert str(cache) in message


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Python is a shell script")
def test_an_interpreter_without_pip_is_told_how_to_get_it(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "{sys.executable}: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(SampleError, match="-m ensurepip"):
        packages.fetch(PACKAGE)


def test_a_member_is_unpacked_under_its_last_name(published: Package, cache: Path) -> None:
    folder = cache.parent / "unpacked"
    unpacked = packages.extract_member(packages.fetch(published), "tiny_thing/data.bin", folder)
    assert unpacked == folder / "data.bin"
    assert unpacked.read_bytes() == b"the data"

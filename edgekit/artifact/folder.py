"""The folder that a build writes and the runtime reads: a manifest and the files that it lists."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from edgekit.artifact import manifest, verified
from edgekit.artifact.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    FileEntry,
    Manifest,
    ModelSpec,
    Needs,
    check_name,
)
from edgekit.artifact.refusals import told
from edgekit.errors import ArtifactError, IntegrityError, at
from edgekit.system import machine, paths
from edgekit.system.digest import sha256_file

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "Artifact",
    "FileEntry",
    "Manifest",
    "ModelSpec",
    "Needs",
    "read",
    "read_file",
    "verify",
    "verify_for_load",
    "write",
]

HASHED_AT_EVERY_LOAD_BYTES = 200_000_000
HASHED_AGAIN_AFTER_SECONDS = 7 * 24 * 3600
MAX_MANIFEST_BYTES = 32_000_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        return self.folder / name


def write(folder: Path, manifest_fields: Mapping[str, Any]) -> Artifact:
    """Turns a folder that holds every file except the manifest into an artifact.

    `manifest_fields` are those of Manifest without `files`, `digest` and `disk_bytes` in `needs`,
    which are computed here. Returns once everything is on the disk itself. Raises ArtifactError
    for a name or a value that `read` would refuse.
    """
    names = sorted(entry.name for entry in os.scandir(folder))
    if MANIFEST in names:
        raise ArtifactError(f"{folder}: there is a manifest already; write into a new folder.")
    files = [_measure(folder, name) for name in names]
    total = sum(entry["size_bytes"] for entry in files)
    needs = {**manifest_fields.get("needs", {}), "disk_bytes": total}
    data = manifest.encode({**manifest_fields, "needs": needs, "files": files})
    for name in names:
        machine.sync_file(folder / name)
    machine.write_safely(folder / MANIFEST, data)
    return Artifact(folder=folder, manifest=manifest.decode(data))


def _measure(folder: Path, name: str) -> dict[str, Any]:
    check_name(name)
    path = folder / name
    return {"path": name, "size_bytes": _regular(path).st_size, "sha256": sha256_file(path)}


def read(folder: Path) -> Artifact:
    """Reads and checks only the manifest; `verify` and `verify_for_load` check the files."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ArtifactError(told("no-such-folder", {"folder": folder}))
    if not path.exists():
        raise ArtifactError(told("no-artifact", {"folder": folder}))
    if _regular(path).st_size > MAX_MANIFEST_BYTES:
        raise ArtifactError(told("manifest-too-large", {"path": path}))
    try:
        return Artifact(folder=folder, manifest=manifest.decode(path.read_bytes()))
    except OSError as error:
        raise _unreadable(path, error) from error
    except ArtifactError as error:
        raise type(error)(at(folder, error)) from error


def verify(artifact: Artifact, *, on_file: Callable[[FileEntry], None] | None = None) -> None:
    """Checks the size and digest of every file; IntegrityError names the first wrong one.

    `on_file` is called after each file that is right.
    """
    _check_names(artifact)
    for entry in artifact.manifest.files:
        _hash(artifact, entry, keep=False)
        if on_file is not None:
            on_file(entry)


def verify_for_load(
    artifact: Artifact, *, keep: Collection[str] = (), once: bool = False
) -> dict[str, bytes]:
    """Checks the files before any of them is parsed; the cheaper sibling of `verify`.

    Files up to 200 MB are hashed each time; larger ones, or with `once` all, when they are first
    seen here, when their size, time or inode has changed, and after a week. Returns the bytes of
    the files named in `keep`, exactly as hashed, so that nothing can change between the check and
    the use. Of several processes that check `once`, one hashes and the others wait for it.
    """
    _check_names(artifact)
    trusted = 0 if once else HASHED_AT_EVERY_LOAD_BYTES
    with _in_turn(artifact) if once else nullcontext():
        kept = {}
        for entry in artifact.manifest.files:
            if entry.path in keep:
                kept[entry.path] = _read_file(artifact, entry, trusted)
            elif not _was_right(artifact, entry, trusted):
                _hash_and_remember(artifact, entry, trusted, keep=False)
        return kept


@contextmanager
def _in_turn(artifact: Artifact) -> Iterator[None]:
    lock = paths.cache_dir() / "locks" / f"hashing-{artifact.manifest.digest}"
    with ExitStack() as held:
        # Where there can be no lock nothing is remembered either: each process hashes for itself.
        with suppress(OSError, NotImplementedError):
            held.enter_context(machine.locked(lock))
        yield


def read_file(artifact: Artifact, name: str) -> bytes:
    """The bytes of one file, checked as `verify_for_load` would."""
    return _read_file(artifact, artifact.manifest.file(name), HASHED_AT_EVERY_LOAD_BYTES)


def _read_file(artifact: Artifact, entry: FileEntry, trusted: int) -> bytes:
    path = artifact.path(entry.path)
    if _was_right(artifact, entry, trusted):
        try:
            return path.read_bytes()
        except OSError as error:
            raise _unreadable(path, error) from error
    return _hash_and_remember(artifact, entry, trusted, keep=True)


def _check_names(artifact: Artifact) -> None:
    listed = {entry.path for entry in artifact.manifest.files} | {MANIFEST}
    try:
        found = {entry.name for entry in os.scandir(artifact.folder)}
    except OSError as error:
        raise _unreadable(artifact.folder, error) from error
    for name in sorted(found - listed):
        raise IntegrityError(told("file-not-listed", {"path": artifact.path(name)}))
    for name in sorted(listed - found):
        raise IntegrityError(told("file-missing", {"path": artifact.path(name)}))
    for entry in artifact.manifest.files:
        size = _regular(artifact.path(entry.path)).st_size
        if size != entry.size_bytes:
            raise IntegrityError(
                told(
                    "file-size",
                    {
                        "path": artifact.path(entry.path),
                        "found": f"{size:,}",
                        "wanted": f"{entry.size_bytes:,}",
                    },
                )
            )


def _regular(path: Path) -> os.stat_result:
    """The stat of a regular file; links lead outside, and pipes and devices hang or never end."""
    try:
        status = path.lstat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError(told("no-plain-file", {"path": path}))
    return status


def _unreadable(path: Path, error: OSError) -> IntegrityError:
    return IntegrityError(told("file-unreadable", {"path": path, "reason": error.strerror}))


def _hash(artifact: Artifact, entry: FileEntry, *, keep: bool) -> bytes:
    """Compares a file with its digest; returns its bytes if `keep`, else none."""
    path = artifact.path(entry.path)
    try:
        with path.open("rb") as stream:
            data, digest = _read_all(stream) if keep else _read_through(stream)
    except OSError as error:
        raise _unreadable(path, error) from error
    if digest != entry.sha256:
        raise IntegrityError(told("file-changed", {"path": path}))
    return data


def _read_all(stream: BinaryIO) -> tuple[bytes, str]:
    data = stream.read()
    return data, sha256(data).hexdigest()


def _read_through(stream: BinaryIO) -> tuple[bytes, str]:
    hasher = sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        hasher.update(chunk)
    return b"", hasher.hexdigest()


def _was_right(artifact: Artifact, entry: FileEntry, trusted: int) -> bool:
    """Whether a file of more than `trusted` bytes was hashed here recently and has not been touched
    since."""
    if entry.size_bytes <= trusted:
        return False
    known = verified.recall(_key(artifact, entry), max_age_seconds=HASHED_AGAIN_AFTER_SECONDS)
    return bool(known == _state(artifact, entry))


def _hash_and_remember(artifact: Artifact, entry: FileEntry, trusted: int, *, keep: bool) -> bytes:
    # The stat from before: a change while hashing is then noticed at the next load.
    state = _state(artifact, entry)
    data = _hash(artifact, entry, keep=keep)
    if entry.size_bytes > trusted:
        verified.remember(_key(artifact, entry), state)
    return data


def _key(artifact: Artifact, entry: FileEntry) -> str:
    return f"file:{artifact.path(entry.path).resolve()}"


def _state(artifact: Artifact, entry: FileEntry) -> list[Any]:
    status = _regular(artifact.path(entry.path))
    return [entry.sha256, status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev]

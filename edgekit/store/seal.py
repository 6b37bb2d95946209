"""Seals a folder with the digests of all its files, written last. Knows nothing of its contents.

A folder counts as sealed only if DONE.json is intact, every file that it lists has the digest that
it gives, and there is no other file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import IntegrityError, StepError
from edgekit.system.digest import canonical_json, sha256_file, sha256_json
from edgekit.system.disk import Disk

DONE = "DONE.json"


@dataclass(frozen=True, slots=True)
class Sealed:
    """The contents of DONE.json: sha256 by file name, and the facts that were sealed with them."""

    digests: Mapping[str, str]
    facts: Mapping[str, Any]


def seal(folder: Path, facts: Mapping[str, Any], *, disk: Disk, ignore: str = "") -> None:
    """Syncs every file, then writes DONE.json, then syncs every folder.

    `ignore` names a folder directly inside that is left out of the seal.
    """
    files, folders = _contents(folder, ignore)
    if DONE in files:
        raise StepError(f"{folder / DONE}: a step may not write a file of this name; rename it.")
    digests = {}
    for name in files:
        disk.sync_file(folder / name)
        digests[name] = sha256_file(folder / name)
    body = {"digests": digests, "facts": facts}
    try:
        text = canonical_json({**body, "digest": sha256_json(body)})
    except (TypeError, ValueError) as error:
        raise StepError(
            f"{folder}: what a step says about its work must be plain JSON with finite numbers, "
            f"but {error}; correct what the step returns."
        ) from error
    (folder / DONE).write_bytes(text)
    disk.sync_file(folder / DONE)
    for path in reversed(folders):  # inner folders first, the folder itself last
        disk.sync_folder(path)


def read_seal(folder: Path) -> Sealed:
    """Reads DONE.json and checks its own digest, but no other file. Raises IntegrityError."""
    path = folder / DONE
    try:
        data = path.read_bytes()
        body = json.loads(data)
        digest = body.pop("digest")
        whole = data == canonical_json({**body, "digest": digest}) and digest == sha256_json(body)
        sealed = Sealed(body["digests"], body["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{path}: missing or damaged ({error})") from error
    if not whole:
        raise IntegrityError(f"{path}: its bytes are not those that were written")
    return sealed


def open_sealed(folder: Path, *, ignore: str = "") -> Sealed:
    """Checks every digest; IntegrityError names the first file that is wrong."""
    sealed = read_seal(folder)
    try:
        files, _ = _contents(folder, ignore)
        if unknown := sorted(set(files) - {DONE} - set(sealed.digests)):
            raise IntegrityError(f"{folder / unknown[0]}: nobody wrote this file")
        for name in sealed.digests:
            if sha256_file(folder / name) != sealed.digests[name]:
                raise IntegrityError(f"{folder / name}: its bytes are not those that were written")
    except (OSError, StepError) as error:
        raise IntegrityError(f"{folder}: cannot be read ({error})") from error
    return sealed


def _contents(folder: Path, ignore: str) -> tuple[list[str], list[Path]]:
    """Names of the files below a folder, with `/`, and the folders, outer ones first."""
    files: list[str] = []
    folders: list[Path] = []
    for parent, inner, names in os.walk(folder, onerror=_raise):
        here = Path(parent)
        if here == folder and ignore in inner:
            inner.remove(ignore)
        inner.sort()
        folders.append(here)
        for name in sorted(names + [name for name in inner if (here / name).is_symlink()]):
            path = here / name
            if path.is_symlink() or not path.is_file():
                raise StepError(f"{path}: neither a file nor a folder; a step may not leave links.")
            files.append(path.relative_to(folder).as_posix())
    return files, folders


def _raise(error: OSError) -> None:
    """A folder that cannot be listed must not look like an empty one."""
    raise error

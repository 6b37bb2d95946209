"""Canonical JSON and sha256: how edgekit names content. Knows nothing of what it hashes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> bytes:
    """The one byte sequence for a JSON value: sorted keys, no spaces, UTF-8, finite numbers."""
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return text.encode("utf-8")


def sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    return sha256_bytes(canonical_json(value))


def sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_folder(folder: Path) -> str:
    """One digest for all files below a folder, by relative name and content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sha256_json({str(path.relative_to(folder)): sha256_file(path) for path in files})

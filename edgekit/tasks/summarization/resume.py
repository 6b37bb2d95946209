"""Keeps a model's notes on each part in a file, so that a killed run resumes. Knows no model."""

from __future__ import annotations

import json
from pathlib import Path

from edgekit.system import machine
from edgekit.system.digest import canonical_json, sha256_json


class Notes:
    """Texts by what they were made from. Each is on the disk before the next is begun."""

    def __init__(self, path: str | None, key: object) -> None:
        """`key` is all that decides the texts besides the arguments of `get`; a file with another
        key, or a damaged one, is started anew. Without a path nothing is kept.
        """
        self._path = None if path is None else Path(path)
        self._key = sha256_json(key)
        self._kept: dict[str, str] = self._read()

    def get(self, *made_from: object) -> str | None:
        return self._kept.get(sha256_json(list(made_from)))

    def put(self, text: str, *made_from: object) -> None:
        self._kept[sha256_json(list(made_from))] = text
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            data = canonical_json({"key": self._key, "texts": self._kept})
            # The notes are about texts that may be private.
            machine.write_safely(self._path, data, mode=0o600)

    def forget(self) -> None:
        """Removes the file once the work is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, str]:
        if self._path is None:
            return {}
        try:
            value = json.loads(self._path.read_bytes())
            same = value["key"] == self._key
            return {str(one): str(text) for one, text in value["texts"].items()} if same else {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            # Missing, or not one of ours: then there is nothing to resume.
            return {}

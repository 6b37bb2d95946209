"""Keeps what a model made of each part, in one file, so that a killed run goes on from there."""

from __future__ import annotations

import json
from pathlib import Path

from edgekit.system import machine
from edgekit.system.digest import canonical_json, sha256_json


class Notes:
    """Texts by what they were made from. Each is on the disk before the next one is begun."""

    def __init__(self, path: str | None, key: object) -> None:
        """`key` is all that decides the texts beside what `get` is asked; of another, or damaged,
        the file is begun anew. Without a path nothing is kept.
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
            # They tell of texts that may be private.
            machine.write_safely(self._path, data, mode=0o600)

    def forget(self) -> None:
        """The work is done."""
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
            # None yet, or not one of ours: then nothing can be gone on with.
            return {}

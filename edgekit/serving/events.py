"""The log: one JSON object for each thing that happened. Holds no text of people unless asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from edgekit.serving import words
from edgekit.serving.settings import LogKind

Write = Callable[[str], None]


class Log:
    """Thread-safe."""

    def __init__(self, kind: LogKind, write: Write) -> None:
        """`write` takes a line. With `counts` only lengths, numbers and names of artifacts go into
        it; with `masked` also what people wrote and got, without personal data (serving/words.py);
        with `plain` that as it was."""
        self._kind, self._write = kind, write
        self._writing = Lock()

    @property
    def masks(self) -> bool:
        """Whether `words` takes a while."""
        return self._kind == "masked"

    def tell(self, event: str, fields: Mapping[str, Any]) -> None:
        if self._kind == "off":
            return
        found = {name: value for name, value in fields.items() if value is not None}
        line = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "event": event, **found}
        with self._writing:
            self._write(json.dumps(line, ensure_ascii=True))

    def words(self, texts: Sequence[str], answer: Any) -> dict[str, Any]:
        """What may be logged of a call's words."""
        found: dict[str, Any] = {"texts": len(texts), "characters": sum(map(len, texts))}
        if self._kind == "plain":
            found |= {"asked": list(texts), "answered": answer}
        if self._kind == "masked":
            found |= {"asked": words.masked(list(texts)), "answered": words.masked(answer)}
        return found

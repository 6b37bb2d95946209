"""Messages between a process and its children: a length of four bytes, then JSON. Knows no verbs.

→ {"id": 0, "verb": "load", …}      what is asked
← {"id": 0, "piece": …}             any number of times
← {"id": 0, "result": {…}}          or {"id": 0, "error": {"type": …, "message": …}}
→ {"id": 0, "verb": "cancel"}       has no reply of its own
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from edgekit import errors
from edgekit.errors import EdgekitError, Told, WorkerError

Message = dict[str, Any]

_LENGTH = struct.Struct(">I")


def send(stream: BinaryIO, message: Mapping[str, Any]) -> None:
    """Paths are sent as strings."""
    # ASCII: a lone surrogate has an escape, but no UTF-8.
    data = json.dumps(message, default=os.fspath).encode("ascii")
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """The next message; None at the end of the stream, even in the middle of a message."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return dict(json.loads(data)) if len(data) == length else None


def from_error(error: BaseException) -> dict[str, Any]:
    said = error.sentence if isinstance(error, EdgekitError) else str(error)
    told = {"told": said.as_json()} if isinstance(said, Told) else {}
    return {"type": type(error).__name__, "message": str(error), **told}


def to_error(told: Mapping[str, Any]) -> EdgekitError:
    """One of edgekit's own errors comes back as itself; any other is a fault of the child."""
    kind = getattr(errors, told["type"], None)
    if not (isinstance(kind, type) and issubclass(kind, EdgekitError)):
        return WorkerError(f"The worker broke: {told['type']}: {told['message']}")
    said = Told.from_json(told["told"]) if "told" in told else told["message"]
    # Not through the constructor: some errors build their message from other arguments.
    return kind.__new__(kind, said)

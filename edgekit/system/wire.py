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
from typing import Any, BinaryIO, cast

from edgekit import errors
from edgekit.errors import EdgekitError, WorkerError

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


def from_error(error: BaseException) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


def to_error(told: Mapping[str, str]) -> EdgekitError:
    """One of edgekit's own errors comes back as itself; any other is a fault of the child."""
    kind = getattr(errors, told["type"], None)
    if kind is None:
        return WorkerError(f"The worker broke: {told['type']}: {told['message']}")
    # Not through the constructor: some errors build their message from other arguments.
    return cast("EdgekitError", kind.__new__(kind, told["message"]))

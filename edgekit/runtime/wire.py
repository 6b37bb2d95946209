"""Messages between two processes: a length of four bytes, then JSON. Knows no verbs."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from edgekit.runtime.cancel import Cancel

Message = dict[str, Any]
Tell = Callable[[Message], None]
"""Sends a piece of a reply while it is made."""
Verb = Callable[[Any, Message, Cancel, Tell], Message]
"""What a worker does for one request: given its engine, the request, whether it was cancelled, and
how to send pieces; returns the result."""

_LENGTH = struct.Struct(">I")


def send(stream: BinaryIO, message: Mapping[str, Any]) -> None:
    # ASCII: a surrogate without its half has an escape, but no UTF-8.
    data = json.dumps(message).encode("ascii")
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message; None at the end of the stream, also in the middle of a message."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return dict(json.loads(data)) if len(data) == length else None

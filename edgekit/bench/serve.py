"""What every side of a bench is to the process that started it: requests in, replies out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from edgekit.errors import EdgekitError
from edgekit.runtime import wire


def serve(reply: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Answers requests from stdin until it ends. `reply` is given the verb and the rest of each."""
    # stdout is for messages alone: native code that prints does so to stderr.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while (request := wire.receive(requests)) is not None:
        try:
            wire.send(replies, reply(request.pop("verb"), request))
        except EdgekitError as error:
            wire.send(replies, {"error": str(error)})

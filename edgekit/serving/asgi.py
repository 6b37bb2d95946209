"""Answers in pieces of ASGI, so that nothing buffers them: JSON, errors, events. Knows no route."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from edgekit.serving.refusals import Refusal

DONE = b"data: [DONE]\n\n"
PING = b": waiting\n\n"


def encoded(value: Any) -> bytes:
    # A lone surrogate, which JSON can escape and UTF-8 cannot hold, becomes a question mark.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def event(value: Any) -> bytes:
    """One server-sent event: JSON has no line breaks of its own."""
    return b"data: " + encoded(value) + b"\n\n"


class Answer:
    """The response to one request; what was sent, for the log."""

    def __init__(self, scope: Scope, send: Send, *, seconds: float) -> None:
        """`seconds`: how long the client may leave what it was sent unread."""
        self.status = 0
        self._send, self._seconds = send, seconds
        self._abort: Callable[[], None] | None = scope.get("state", {}).get("abort")

    @property
    def begun(self) -> bool:
        return self.status != 0

    async def json(self, value: Any, *, status: int = 200, headers: Mapping[str, str] = {}) -> None:
        await self.whole(encoded(value), "application/json", status=status, headers=headers)

    async def refuse(self, refusal: Refusal) -> None:
        """A status of its own, or the last event of a stream that has begun."""
        if self.begun:
            await self.events([event(refusal.as_json())], more=False)
            return
        await self.json(refusal.as_json(), status=refusal.status, headers=refusal.headers)

    async def whole(
        self, body: bytes, kind: str, *, status: int = 200, headers: Mapping[str, str] = {}
    ) -> None:
        named = {"content-type": kind, "content-length": str(len(body)), **headers}
        await self._put(self._head(status, named), _body(body, more=False))

    async def begin_stream(self) -> None:
        await self._put(self._head(
            200, {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
        ))  # fmt: skip

    async def events(self, events: Iterable[bytes], *, more: bool = True) -> None:
        await self._put(_body(b"".join(events), more=more))

    def _head(self, status: int, headers: Mapping[str, str]) -> Message:
        self.status = status
        return {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

    async def _put(self, *messages: Message) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                for message in messages:
                    await self._send(message)
        except TimeoutError:
            # Closing would wait for the client to read what is left, which is what it does not do.
            if self._abort is not None:
                self._abort()
            raise ConnectionError("The client reads too slowly.") from None


def _body(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def gone(receive: Receive) -> None:
    """Returns once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass

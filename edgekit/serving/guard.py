"""Refuses, before anything is read, what no honest client sends. Pure ASGI; knows no route."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgekit.serving.asgi import Answer
from edgekit.serving.refusals import Refusal

MOST_PATH_BYTES = 1024
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Guard:
    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        any_address: bool,
        origins: Collection[str],
        header_bytes: int,
    ) -> None:
        """`hosts` are the names by which the server may be called; with `any_address` also any IP
        address: a page of another site reaches a server by a name of its own (DNS rebinding), never
        by an address."""
        self._app = app
        self._hosts = frozenset(name.lower().rstrip(".") for name in hosts)
        self._any_address = any_address
        self._origins = frozenset(origins)
        self._header_bytes = header_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        named = origin is not None and origin in self._origins

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = b"cross-origin" if named else b"same-origin"
                message["headers"] += (*_ALWAYS, (b"cross-origin-resource-policy", policy))
                if named and origin is not None:
                    found = MutableHeaders(scope=message)
                    found["access-control-allow-origin"] = origin
                    found["access-control-expose-headers"] = "retry-after"
                    found.add_vary_header("origin")
            await send(message)

        refusal = self._wrong(scope, headers, named=named)
        answer = Answer(scope, guarded, seconds=10)
        if refusal is not None:
            await answer.refuse(refusal)
        elif scope["method"] == "OPTIONS" and named:
            allowed = {
                "access-control-allow-methods": "GET, POST",
                "access-control-allow-headers": "authorization, content-type",
                "access-control-max-age": "600",
            }
            await answer.whole(b"", "text/plain", status=204, headers=allowed)
        else:
            await self._app(scope, receive, guarded)

    def _wrong(self, scope: Scope, headers: Headers, *, named: bool) -> Refusal | None:
        # h11 bounds only what has not arrived whole.
        if len(scope["raw_path"]) > MOST_PATH_BYTES:
            return Refusal(414, "path_too_long", "There is no path as long as this one.")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._header_bytes:
            return Refusal(
                431, "headers_too_long", f"Headers have at most {self._header_bytes:,} bytes."
            )
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return Refusal(
                403, "wrong_host",
                "This server is not called by that name; whoever runs it can allow it "
                "(--allow-host).",
            )  # fmt: skip
        origins = headers.getlist("origin")
        if origins and not named and not (len(origins) == 1 and _same(origins[0], hosts[0])):
            return Refusal(
                403, "wrong_origin",
                "Pages of other sites may not ask this server; whoever runs it can allow one "
                "(--allow-origin).",
            )  # fmt: skip
        if "transfer-encoding" in headers and "content-length" in headers:
            return Refusal(400, "two_lengths", "A body has one length; this request says two.")
        if headers.get("content-encoding", "identity") != "identity":
            return Refusal(415, "compressed", "Bodies are read as they are; do not compress them.")
        if scope["query_string"]:
            return Refusal(
                400, "query_in_url",
                "Nothing is read from the address after '?'; fields belong into the body, and a "
                "key into the header Authorization, since addresses are logged on the way.",
            )  # fmt: skip
        return None

    def _knows(self, host: str) -> bool:
        name = _name(host)
        return name is not None and (
            name in self._hosts or (self._any_address and _is_address(name))
        )


def own_names() -> Iterable[str]:
    """The names of this machine in its own network."""
    name = socket.gethostname().lower().rstrip(".")
    return (name, f"{name.partition('.')[0]}.local")


def is_loopback(host: str) -> bool:
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str | None:
    """The name in a Host header; None where it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises where it is not a number
    except ValueError:
        return None
    bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    return parts.hostname.rstrip(".") if parts.hostname and bare else None


def _same(origin: str, host: str) -> bool:
    """Whether a page that this server sent asks; its scheme is the browser's to check."""
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

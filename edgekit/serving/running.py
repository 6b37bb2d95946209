"""Runs a server until it is told to end. Prints nothing: it calls back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from edgekit.errors import EdgekitError
from edgekit.serving import listening
from edgekit.serving.app import application
from edgekit.serving.events import Write
from edgekit.serving.settings import Settings

SEND_BUFFER_BYTES = 64 * 1024
OnStart = Callable[[str, Settings], None]


def run(settings: Settings, *, write: Write, on_start: OnStart) -> None:
    """Serves until SIGINT or SIGTERM; `on_start` is told the address. Raises EdgekitError."""
    asyncio.run(serve(settings, write=write, on_start=on_start))


async def serve(
    settings: Settings,
    *,
    write: Write,
    on_start: OnStart,
    on_server: Callable[[uvicorn.Server], None] = lambda server: None,
) -> None:
    """`on_server` gets what can be told to end (`should_exit`)."""
    server = listening.server(application(settings, write), settings)
    on_server(server)
    with _socket(settings) as listener:
        scheme = "http" if settings.tls_cert is None else "https"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        on_start(f"{scheme}://{host}:{listener.getsockname()[1]}", settings)
        await server.serve(sockets=[listener])


def _socket(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named asyncio sends at once; without it, each answer waits for the client's
    # acknowledgement, some 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What a client leaves unread is kept here: not megabytes for each of them.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind((settings.host, settings.port))
        listener.listen(settings.limits.connections)
    except OSError as error:
        listener.close()
        raise EdgekitError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}); give "
            "another --host or --port."
        ) from error
    return listener

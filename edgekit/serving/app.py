"""The server as an ASGI application: its paths, and what becomes of a fault. Knows no task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from edgekit.errors import ArtifactError, MissingExtra, OutOfMemoryBudget, WorkerError
from edgekit.serving import guard, paths, refusals
from edgekit.serving.asgi import Answer
from edgekit.serving.events import Write
from edgekit.serving.refusals import Refusal
from edgekit.serving.service import Service
from edgekit.serving.settings import Settings


def application(settings: Settings, write: Write) -> ASGIApp:
    """The whole server; `write` takes the lines of its log."""
    service = Service(settings, write)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        house = asyncio.create_task(service.keep_house())
        service.ready = True
        try:
            yield
        finally:
            service.ready = False
            house.cancel()
            await service.close()

    asked = {path for one in service.shelf.all.values() for path in one.routes}
    got = {
        "/": paths.front,
        "/healthz": paths.health,
        "/readyz": paths.readiness,
        "/metrics": paths.metrics,
        "/openapi.json": paths.described,
        "/v1/models": paths.models,
    }
    app = Paths(
        {
            **{path: ("GET", Endpoint(service, handle)) for path, handle in got.items()},
            EMBEDDINGS: ("POST", Endpoint(service, paths.nobody)),
            **{path: ("POST", Endpoint(service, paths.call)) for path in asked},
        },
        Router(lifespan=lifespan),
        send_seconds=settings.limits.send_seconds,
    )
    loopback = guard.is_loopback(settings.host)
    hosts = {*guard.LOOPBACK, *settings.hosts, *(() if loopback else guard.own_names())}
    return guard.Guard(
        app,
        hosts=hosts,
        any_address=not loopback,
        origins=settings.origins,
        header_bytes=settings.limits.header_bytes,
    )


EMBEDDINGS = "/v1/embeddings"
"""A path that programs ask for, and that is answered in a sentence where no artifact can."""


class Paths:
    """Finds who answers a path. What is not HTTP goes to `rest`."""

    def __init__(
        self, places: Mapping[str, tuple[str, Endpoint]], rest: ASGIApp, *, send_seconds: float
    ) -> None:
        self._places, self._rest, self._send_seconds = places, rest, send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        method, endpoint = self._places.get(scope["path"], ("", None))
        if endpoint is not None and _method(scope) == method:
            await endpoint(scope, receive, send)
            return
        refusal = Refusal(404, "not_found", "There is nothing at this path; see /openapi.json.")
        if endpoint is not None:
            refusal = Refusal(
                405, "wrong_method", "This path is asked otherwise; see /openapi.json."
            )
        await Answer(scope, send, seconds=self._send_seconds).refuse(refusal)


def _method(scope: Scope) -> str:
    # What sends the answer leaves out its body for HEAD.
    return "GET" if scope["method"] == "HEAD" else str(scope["method"])


class Endpoint:
    """One path: runs a handler, and turns whatever goes wrong into an answer and a line."""

    def __init__(self, service: Service, handle: Any) -> None:
        self._service, self._handle = service, handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self._service
        answer = Answer(scope, send, seconds=service.settings.limits.send_seconds)
        told: dict[str, Any] = {"path": scope["path"], "number": service.number()}
        began = time.monotonic()
        try:
            await self._handle(service, scope, receive, answer, told)
        except (ClientDisconnect, ConnectionError):
            told["cancelled"] = True
        except Exception as error:
            refusal = refusals.of(error, model=told.get("artifact", ""))
            if not isinstance(error, Refusal):
                told["error"] = _fault(error)
                if isinstance(error, _OUR_OWN):
                    told["why"] = str(error)
            told["code"] = refusal.code
            service.metrics.refused.labels(scope["path"], refusal.code).inc()
            with suppress(ConnectionError):
                await answer.refuse(refusal)
        seconds = round(time.monotonic() - began, 4)
        service.log.tell("request", {"status": answer.status or None, "seconds": seconds, **told})


def _fault(error: BaseException) -> str:
    """Where in edgekit an error came from, without its words, which may quote people's."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_filename.rpartition('edgekit/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


_OUR_OWN = (ArtifactError, MissingExtra, OutOfMemoryBudget, WorkerError)
"""Errors whose sentences hold nothing that people wrote."""

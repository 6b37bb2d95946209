"""The server as an ASGI application: its paths, and what becomes of a fault. Knows no task."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route as Path
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
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        house = asyncio.create_task(service.keep_house())
        service.ready = True
        try:
            yield
        finally:
            service.ready = False
            house.cancel()
            await service.close()

    places = sorted({path for one in service.shelf.all.values() for path in one.routes})
    routes = [
        Path("/", Endpoint(service, paths.front), methods=["GET"]),
        Path("/healthz", Endpoint(service, paths.health), methods=["GET"]),
        Path("/readyz", Endpoint(service, paths.readiness), methods=["GET"]),
        Path("/metrics", Endpoint(service, paths.metrics), methods=["GET"]),
        Path("/openapi.json", Endpoint(service, paths.described), methods=["GET"]),
        Path("/v1/models", Endpoint(service, paths.models), methods=["GET"]),
        *(
            Path(path, Endpoint(service, paths.nobody), methods=["POST"])
            for path in (EMBEDDINGS,)
            if path not in places
        ),
        *(Path(path, Endpoint(service, paths.call), methods=["POST"]) for path in places),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={
        404: _not_found, 405: _wrong_method,
    })  # fmt: skip
    app.router.redirect_slashes = False
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


class Endpoint:
    """One path: runs a handler, and turns whatever goes wrong into an answer and a line."""

    def __init__(self, service: Service, handle: Any) -> None:
        self._service, self._handle = service, handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self._service
        answer = Answer(scope, send, seconds=service.settings.limits.send_seconds)
        told: dict[str, Any] = {"path": scope["path"], "number": secrets.token_hex(12)}
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


async def _not_found(request: Request, error: Exception) -> Any:
    return _plain(Refusal(404, "not_found", "There is nothing at this path; see /openapi.json."))


async def _wrong_method(request: Request, error: Exception) -> Any:
    return _plain(Refusal(405, "wrong_method", "This path is asked otherwise; see /openapi.json."))


def _plain(refusal: Refusal) -> Any:
    return JSONResponse(refusal.as_json(), status_code=refusal.status)


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

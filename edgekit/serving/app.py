"""The server as an ASGI application: its paths, and who is let in. Knows no task."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Receive, Scope, Send

from edgekit.errors import EdgekitError
from edgekit.serving import bodies, guard, refusals
from edgekit.serving.asgi import Answer
from edgekit.serving.calls import Asked, Calls
from edgekit.serving.events import Log, Write
from edgekit.serving.keys import METRICS, Key, Keys
from edgekit.serving.metrics import CONTENT_TYPE, Metrics
from edgekit.serving.quota import Quota
from edgekit.serving.refusals import Refusal
from edgekit.serving.settings import Settings
from edgekit.serving.shelf import Shelf, Shelved
from edgekit.tasks.routes import Answered, Route

HOUSEKEEPING_SECONDS = 5.0


class Service:
    """What all requests share."""

    def __init__(self, settings: Settings, write: Write) -> None:
        self.settings = settings
        self.shelf = Shelf(settings)
        self.keys = None if settings.keys is None else Keys(settings.keys)
        self.quota = Quota()
        self.metrics = Metrics()
        self.log = Log(settings.log, write)
        self.calls = Calls(self.shelf, ping_seconds=settings.limits.ping_seconds)
        self.validators = {
            id(route): Draft202012Validator(route.request)
            for one in self.shelf.all.values()
            for route in one.routes.values()
        }
        self.ready = False
        self.metrics.watch(self._gauges)

    def key(self, scope: Scope) -> Key | None:
        """Who asks; None where nobody needs a key. Raises Refusal."""
        if self.keys is None:
            return None
        given = Request(scope).headers.get("authorization", "")
        kind, _, secret = given.partition(" ")
        try:
            found = self.keys.find(secret.strip()) if kind.lower() == "bearer" else None
        except EdgekitError as error:
            self.log.tell("keys_unreadable", why=str(error))
            raise Refusal(
                503, "keys_unreadable", "The file of keys cannot be read; see the server's log.",
                retry_after=30,
            ) from error  # fmt: skip
        if found is None:
            raise Refusal(
                401, "invalid_api_key",
                "This server needs a key, as the header 'Authorization: Bearer ek-…'; whoever runs "
                "it can make one with: edgekit keys add NAME",
            )  # fmt: skip
        if found.expired(_today()):
            raise Refusal(401, "expired_api_key", f"This key expired after {found.expires}.")
        return found

    async def keep_house(self) -> None:
        """Erases what belongs to keys that are gone."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            with suppress(EdgekitError):
                if self.keys is not None:
                    known = self.keys.ids()
                    self.quota.forget(known)
                    await self.shelf.erase(known)

    def _gauges(self) -> list[tuple[str, str, dict[str, float]]]:
        all_of_them = self.shelf.all.values()
        return [
            ("waiting", "Calls that wait for their turn",
             {one.name: float(one.line.waiting) for one in all_of_them}),
            ("loaded", "Processes that hold the model",
             {one.name: float(sum(process.model is not None for process in one.processes))
              for one in all_of_them}),
        ]  # fmt: skip


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
            await service.shelf.close()
            service.calls.close()

    paths = sorted({path for one in service.shelf.all.values() for path in one.routes})
    routes = [
        Path("/healthz", Endpoint(service, _health), methods=["GET"]),
        Path("/readyz", Endpoint(service, _readiness), methods=["GET"]),
        Path("/metrics", Endpoint(service, _metrics), methods=["GET"]),
        Path("/v1/models", Endpoint(service, _models), methods=["GET"]),
        *(Path(path, Endpoint(service, _call), methods=["POST"]) for path in paths),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={
        404: _not_found, 405: _wrong_method,
    })  # fmt: skip
    app.router.redirect_slashes = False
    loopback = guard.is_loopback(settings.host)
    hosts = {*guard.LOOPBACK, *settings.hosts, *(() if loopback else guard.own_names())}
    return guard.Guard(app, hosts=hosts, any_address=not loopback, origins=settings.origins)


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
            told["code"] = refusal.code
            service.metrics.refused.labels(scope["path"], refusal.code).inc()
            with suppress(ConnectionError):
                await answer.refuse(refusal)
        seconds = round(time.monotonic() - began, 4)
        service.log.tell("request", status=answer.status or None, seconds=seconds, **told)


async def _health(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    await answer.json({"status": "ok"})


async def _readiness(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    if service.keys is not None:
        service.keys.all()
    ready = service.ready
    await answer.json({"status": "ready" if ready else "not ready"}, status=200 if ready else 503)


async def _metrics(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    key = service.key(scope)
    if key is not None and not key.may(METRICS, None):
        raise Refusal(
            403, "key_may_not",
            "The metrics have a key of their own: edgekit keys add NAME --verbs metrics",
        )  # fmt: skip
    await answer.whole(service.metrics.text(), CONTENT_TYPE)


async def _models(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    key = service.key(scope)
    data = [
        {
            "id": one.name,
            "object": "model",
            "created": 0,
            "owned_by": "edgekit",
            "edgekit": {
                "task": one.artifact.manifest.task,
                "paths": sorted(one.routes),
                "languages": list(one.artifact.manifest.languages),
                "loaded": one.loaded,
            },
        }
        for one in service.shelf.all.values()
        if key is None or any(key.may(route.verb, one.name) for route in one.routes.values())
    ]
    await answer.json({"object": "list", "data": data})


async def _call(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    key = service.key(scope)
    if key is not None:
        told["key"] = key.id
    body = await bodies.read_json(Request(scope, receive), service.settings.limits)
    one, route = _chosen(service, scope["path"], body, key)
    told["artifact"] = one.name
    _check(service.validators[id(route)], body)
    call = route.read(body, one.artifact.manifest)
    if key is not None:
        service.quota.ask(key)
    owner = "" if key is None else key.id
    asked = Asked(number=told["number"], owner=owner, one=one, call=call)
    of = (one.artifact.manifest.task, one.name, route.verb)
    running = service.metrics.running.labels(*of[:2])
    running.inc()
    try:
        done = await service.calls.answer(asked, answer, receive)
    finally:
        running.dec()
    told["waited"] = round(asked.waited, 4)
    if done is None:
        told["cancelled"] = True
        service.metrics.cancelled.labels(*of).inc()
        return
    if key is not None:
        service.quota.spend(key, done.prompt_tokens + done.tokens)
    told |= service.log.words(call.texts, done.body)
    told |= {"prompt_tokens": done.prompt_tokens, "tokens": done.tokens}
    _count(service.metrics, of, asked, done)


def _chosen(
    service: Service, path: str, body: Mapping[str, Any], key: Key | None
) -> tuple[Shelved, Route]:
    """The artifact and its route; raises Refusal where none is named that answers this path."""
    shelf = service.shelf.all
    able = [
        one for one in shelf.values()
        if path in one.routes and (key is None or key.may(one.routes[path].verb, one.name))
    ]  # fmt: skip
    if key is not None and not able:
        raise Refusal(403, "key_may_not", f"This key may not ask {path} of any model here.")
    names = ", ".join(one.name for one in able)
    name = body.get("model")
    if name is None and len(able) == 1:
        return able[0], able[0].routes[path]
    if not isinstance(name, str):
        raise Refusal(400, "model_missing", f"Say which model: one of {names}.", field="model")
    found = next((one for one in able if one.name == name), None)
    if found is not None:
        return found, found.routes[path]
    if name in shelf and path not in shelf[name].routes:
        raise Refusal(
            400, "unsupported",
            f"'{name}' does not answer {path}; these do: {names or 'none'}.", field="model",
        )  # fmt: skip
    if name in shelf and key is not None:
        raise Refusal(403, "key_may_not", f"This key may not ask {path} of '{name}'.")
    raise Refusal(
        404, "model_not_found", f"There is no such model here; there are: {names}.", field="model"
    )


def _check(validator: Draft202012Validator, body: Mapping[str, Any]) -> None:
    """Raises Refusal for what the route's schema does not allow, naming the field."""
    error = best_match(validator.iter_errors(body))
    if error is None:
        return
    place = error.json_path.removeprefix("$").removeprefix(".")
    unknown = error.validator == "additionalProperties"
    raise Refusal(
        400, "unknown_parameter" if unknown else "invalid_value",
        f"{place or 'The body'}: {_said(error)}.", field=place or None,
    )  # fmt: skip


def _said(error: ValidationError) -> str:
    """A sentence about the fault, without a whole text of somebody's in it."""
    message = error.message
    if len(message) <= 300:
        return message
    return f"this does not fit '{error.validator}': {str(error.validator_value)[:200]}"


def _count(metrics: Metrics, of: tuple[str, str, str], asked: Asked, done: Answered) -> None:
    metrics.requests.labels(*of).inc()
    metrics.waited.labels(*of).observe(asked.waited)
    metrics.seconds.labels(*of).observe(time.monotonic() - asked.began)
    if asked.first is not None:
        metrics.first.labels(*of).observe(asked.first)
    for kind, count in (
        ("prompt", done.prompt_tokens), ("answer", done.tokens), ("reused", done.reused_tokens),
    ):  # fmt: skip
        metrics.tokens.labels(*of, kind).inc(count)
    metrics.abstained.labels(*of).inc(done.abstained)
    for label in done.labels:
        metrics.labels.labels(*of[:2], label).inc()


async def _not_found(request: Request, error: Exception) -> Any:
    return _plain(Refusal(404, "not_found", "There is nothing at this path; see /openapi.json."))


async def _wrong_method(request: Request, error: Exception) -> Any:
    return _plain(Refusal(405, "wrong_method", "This path is asked otherwise; see /openapi.json."))


def _plain(refusal: Refusal) -> Any:
    from starlette.responses import JSONResponse

    return JSONResponse(refusal.as_json(), status_code=refusal.status)


def _fault(error: BaseException) -> str:
    """Where in edgekit an error came from, without its words, which may quote people's."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_filename.rpartition('edgekit/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


def _today() -> Any:
    from edgekit.serving.keys import today

    return today()

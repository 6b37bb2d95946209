"""What each path does with a request that was let in. Knows no task."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope

from edgekit.serving import bodies, openapi, page, uploads
from edgekit.serving.asgi import Answer
from edgekit.serving.calls import Asked
from edgekit.serving.choosing import check, chosen
from edgekit.serving.keys import METRICS
from edgekit.serving.metrics import CONTENT_TYPE, Metrics
from edgekit.serving.refusals import Refusal
from edgekit.serving.service import Service
from edgekit.tasks.routes import Answered


async def front(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    whole = page.html()
    headers = {"content-security-policy": page.policy(whole)}
    await answer.whole(whole, "text/html; charset=utf-8", headers=headers)


async def health(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    await answer.json({"status": "ok"})


async def readiness(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    if service.keys is not None:
        service.keys.all()
    ready = service.ready
    await answer.json({"status": "ready" if ready else "not ready"}, status=200 if ready else 503)


async def metrics(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    key = service.key(scope)
    if key is not None and not key.may(METRICS, None):
        raise Refusal(
            403, "key_may_not",
            "The metrics have a key of their own: edgekit keys add NAME --verbs metrics",
        )  # fmt: skip
    await answer.whole(service.metrics.text(), CONTENT_TYPE)


async def described(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    service.key(scope)
    artifacts = list(service.shelf.all.values())
    await answer.json(openapi.document(artifacts, keys=service.keys is not None))


async def models(
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


async def nobody(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    service.key(scope)
    await bodies.read_json(Request(scope, receive), service.settings.limits)
    names = ", ".join(service.shelf.all)
    raise Refusal(
        400, "unsupported",
        f"No artifact here gives embeddings ({names}); serve one that was made of an encoder "
        "without a head, which chooses sentences: its vectors are what it compares.",
        field="model",
    )  # fmt: skip


async def call(
    service: Service, scope: Scope, receive: Receive, answer: Answer, told: dict[str, Any]
) -> None:
    key = service.key(scope)
    if key is not None:
        told["key"] = key.id
    request, limits = Request(scope, receive), service.settings.limits
    form = await uploads.read(request, limits) if uploads.is_form(request) else None
    given = await bodies.read_json(request, limits) if form is None else form.fields
    one, route = chosen(service.shelf, scope["path"], given, key)
    told["artifact"] = one.name
    body = given if form is None else await asyncio.to_thread(uploads.body, form, route)
    route.explain(body)
    check(service.validators[id(route)], body)
    call = route.read(body, one.artifact.manifest)
    if key is not None:
        service.quota.ask(key)
    owner = "" if key is None else key.id
    asked = Asked(number=told["number"], owner=owner, one=one, call=call, together=route.together)
    of = (one.artifact.manifest.task, one.name, route.verb)
    running = service.metrics.running.labels(*of[:2])
    running.inc()
    try:
        done = await service.calls.answer(asked, answer, receive)
    finally:
        running.dec()
    told["waited"] = round(asked.waited, 4)
    told["together_with"] = asked.together_with or None
    if done is None:
        told["cancelled"] = True
        service.metrics.cancelled.labels(*of).inc()
        return
    if key is not None:
        service.quota.spend(key, done.prompt_tokens + done.tokens)
    told |= {"prompt_tokens": done.prompt_tokens, "tokens": done.tokens}
    _count(service.metrics, of, asked, done)
    # The client has its answer; what takes a while is not for the thread of the others.
    if service.log.masks:
        told |= await asyncio.to_thread(service.log.words, call.texts, done.body)
    else:
        told |= service.log.words(call.texts, done.body)
    if one.name in service.watchers and done.labelled:
        await asyncio.to_thread(service.watchers[one.name].see, call.texts, done.labelled)


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
    for label in (label for one in done.labelled for label in one.labels):
        metrics.labels.labels(*of[:2], label).inc()

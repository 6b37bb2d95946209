"""The OpenAPI 3.1 document: what the routes' own schemas say, by which requests are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit import __version__
from edgekit.serving import uploads
from edgekit.serving.shelf import Shelved
from edgekit.tasks.routes import Route, Schema

ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
            "required": ["message", "type", "param", "code"],
        }
    },
    "required": ["error"],
}
_ALWAYS = {
    "400": "a request that cannot be used",
    "401": "no key, or one that is not known",
    "403": "a name, a page or a key that may not ask",
    "405": "another method",
    "414": "a path that is too long",
    "431": "headers that are too long",
    "500": "a fault of the server's",
    "503": "full, or short of memory; Retry-After says when to come again",
}
_OF_BODIES = {
    "404": "a model that is not here",
    "408": "a body that took too long",
    "413": "a body that is too large",
    "415": "a body that is neither plain JSON nor a form that this path reads",
    "429": "more than the key may ask; Retry-After says when to come again",
}
_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}


def document(artifacts: Sequence[Shelved], *, keys: bool) -> dict[str, Any]:
    paths: dict[str, Any] = {
        "/healthz": _got("whether it runs", _STATUS),
        "/readyz": _got("whether it answers", _STATUS),
        "/v1/models": _got("the artifacts, and the paths that each answers", {
            "type": "object",
            "properties": {"object": {"const": "list"}, "data": {"type": "array"}},
            "required": ["object", "data"],
        }),
    }  # fmt: skip
    for path in sorted({path for one in artifacts for path in one.routes}):
        able = [one for one in artifacts if path in one.routes]
        paths[path] = _post([(one.name, one.routes[path]) for one in able])
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "edgekit",
            "version": __version__,
            "description": "Answers of small models, offline. Errors have OpenAI's form.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}},
    }
    if keys:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}]
    return found


def _got(says: str, schema: Schema) -> dict[str, Any]:
    return {"get": {"summary": says, "responses": _responses(_json(schema), _ALWAYS)}}


def _post(able: Sequence[tuple[str, Route]]) -> dict[str, Any]:
    """Artifacts of several tasks may answer one path, each with a schema of its own."""
    routes = list({id(route): route for _, route in able}.values())
    requests = [
        _of(route.request, [name for name, other in able if other is route],
            needed=len(able) > 1)
        for route in routes
    ]  # fmt: skip
    asked = _json(_any(requests))
    forms = [
        _of(uploads.described(route), [name for name, other in able if other is route],
            needed=len(able) > 1)
        for route in routes if route.file is not None
    ]  # fmt: skip
    if forms:
        asked[uploads.KIND] = {"schema": _any(forms)}
    content = _json(_any([route.answer for route in routes]))
    if any("stream" in route.request["properties"] for route in routes):
        # 3.1 has no words for the schema of an event: `says` tells what they hold.
        content["text/event-stream"] = {}
    return {
        "post": {
            "summary": " Or: ".join(dict.fromkeys(route.says for route in routes)),
            "requestBody": {"required": True, "content": asked},
            "responses": _responses(content, {**_ALWAYS, **_OF_BODIES}),
        }
    }


def _of(schema: Schema, names: Sequence[str], *, needed: bool) -> Schema:
    """The schema with the names of the artifacts that it is for."""
    properties = {**schema["properties"], "model": {"enum": list(names)}}
    required = [*schema.get("required", []), *(["model"] if needed else [])]
    return {**schema, "properties": properties, "required": required}


def _any(schemas: Sequence[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _responses(content: Mapping[str, Any], refusals: Mapping[str, str]) -> dict[str, Any]:
    refused = _json({"$ref": "#/components/schemas/Error"})
    return {
        "200": {"description": "the answer", "content": content},
        **{status: {"description": says, "content": refused} for status, says in refusals.items()},
    }

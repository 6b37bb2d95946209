"""Reads a request's body within limits of size and time, and parses it strictly. Knows no route."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from starlette.requests import Request

from edgekit.data import strict_json
from edgekit.serving.refusals import Refusal
from edgekit.serving.settings import Limits


async def read_json(request: Request, limits: Limits) -> dict[str, Any]:
    """The object that the body is; raises Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(
            415, "wrong_content_type",
            f"The body must be application/json, not '{kind[:100]}'.",
        )  # fmt: skip
    return parse(await read_bytes(request, limits))


async def read_bytes(request: Request, limits: Limits) -> bytes:
    """The whole body; raises Refusal for one too large or too slow."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limits.body_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _read(request, limits)
    except TimeoutError:
        raise Refusal(
            408, "body_too_slow",
            f"The body took longer than {limits.body_seconds:g} seconds to arrive.",
        ) from None  # fmt: skip


async def _read(request: Request, limits: Limits) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limits.body_bytes:
            raise _too_large(limits)
        parts.append(part)
    return b"".join(parts)


def parse(data: bytes) -> dict[str, Any]:
    """An object of finite numbers, each key once; raises Refusal."""
    try:
        found = strict_json.parse(data.decode("utf-8"), parse_float=finite)
    except RecursionError:
        raise _no_json("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise _no_json("it is not UTF-8") from None
    except ValueError as error:
        raise _no_json(str(error)[:200]) from None
    if not isinstance(found, dict):
        raise _no_json(f"it is a {type(found).__name__}, and must be an object")
    return found


def finite(text: str) -> float:
    """A JSON number; raises ValueError for one that is infinite in 64 bits."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_json(why: str) -> Refusal:
    return Refusal(400, "invalid_json", f"The body cannot be used as JSON: {why}.")


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        413, "body_too_large",
        f"A body has at most {limits.body_bytes:,} bytes; send fewer or shorter texts at a time.",
    )  # fmt: skip

"""A child as system/child.py starts them: tells fractions, then answers or dies as it is told."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from edgekit.errors import DataError
from edgekit.system.serving import Request, Verb


def _say(request: Request) -> dict[str, Any]:
    request.tell(0.25)
    print("llama.cpp says something", flush=True)
    request.tell(0.5)
    return {"said": request["word"]}


def _refuse(request: Request) -> dict[str, Any]:
    raise DataError("rows.csv: it is empty; fill it.")


def _abort(request: Request) -> dict[str, Any]:
    print("llama.cpp says something", flush=True)
    os.abort()


def _take_too_much(request: Request) -> dict[str, Any]:
    raise MemoryError


def _work_for_long(request: Request) -> dict[str, Any]:
    request.tell(0.0)
    time.sleep(600)
    return {}


VERBS: Mapping[str, Verb] = {
    "say": _say,
    "refuse": _refuse,
    "abort": _abort,
    "take too much": _take_too_much,
    "work for long": _work_for_long,
}

"""How fast one artifact answers here: its golden inputs, or a GGUF's reading and writing.

Runs in a child of its own, which a bad file may end. Knows no task. The fastest of many rounds
counts: whatever else the machine does only makes them slower.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from edgekit.artifact import folder as artifacts
from edgekit.runtime import golden
from edgekit.runtime.engine import Asked
from edgekit.runtime.opening import open_engine
from edgekit.system.serving import Request, Verb

_PROMPT = "The farmer walked to the market with her goats and talked to everyone on the way. " * 6
TOKENS = 24
"""That are written for each measurement."""
_LEAST_ROUNDS = 3
PAUSE_SECONDS = 0.05
"""After each round, as in `bench`: who never sleeps is made to wait by the system."""


def _measure(request: Request) -> Mapping[str, Any]:
    artifact = artifacts.read(Path(request["folder"]))
    asked = Asked(threads=request["threads"], context=request["context"])
    engine: Any = open_engine(artifact, asked)
    try:
        if artifact.manifest.model.format == "gguf":
            return _decoding(engine, request["seconds"])
        return _answering(engine, artifact, request["seconds"])
    finally:
        engine.close()


def _answering(engine: Any, artifact: artifacts.Artifact, seconds: float) -> Mapping[str, Any]:
    """Milliseconds of an answer: of each golden input the fastest, of these the median."""
    manifest, whole = artifact.manifest, json.loads((artifact.folder / golden.GOLDEN).read_bytes())
    alone = [
        golden.read(json.dumps({**whole, "inputs": [one], "answers": [answer]}).encode(), manifest)
        for one, answer in zip(whole["inputs"], whole["answers"], strict=True)
    ]
    fastest = [float("inf")] * len(alone)

    def once() -> None:
        for number, one in enumerate(alone):
            began = time.perf_counter()
            one.check(engine, manifest)
            fastest[number] = min(fastest[number], 1000 * (time.perf_counter() - began))
        time.sleep(PAUSE_SECONDS)

    _repeat(once, seconds)
    return {"ms_per_answer": median(fastest)}


def _decoding(engine: Any, seconds: float) -> Mapping[str, Any]:
    """Tokens a second of a prompt and of an answer; the KV cache is empty each time."""
    prompt = _PROMPT[: max(1, len(_PROMPT) * engine.context // 512)]
    read = engine.count(prompt)

    def take(count: int) -> tuple[int, float]:
        engine.forget()
        began = time.perf_counter()
        made = len(engine.first_tokens(prompt, count))
        return made, time.perf_counter() - began

    reading: list[float] = []
    writing: list[float] = []

    def once() -> None:
        _, first = take(1)
        made, whole = take(TOKENS)
        reading.append(read / first)
        if made > 1 and whole > first:
            writing.append((made - 1) / (whole - first))

    _repeat(once, seconds)
    found = {"prompt_tokens_per_s": max(reading)}
    return {**found, "tokens_per_s": max(writing)} if writing else found


def _repeat(once: Callable[[], None], seconds: float) -> None:
    """A few times at least; the first is not the fastest, as buffers are made then."""
    ends, rounds = time.perf_counter() + seconds, 0
    while rounds < _LEAST_ROUNDS or time.perf_counter() < ends:
        once()
        rounds += 1


VERBS: Mapping[str, Verb] = {"measure": _measure}

"""Speed and memory of a chat artifact beside llama-cpp-python's own. Runs no model itself.

Both sides live in processes of their own and take turns with single answers, so that whatever else
the machine does hits both; the ratio is the median over the turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edgekit import artifact as artifacts
from edgekit import machine
from edgekit.bench_chat_side import Timed
from edgekit.bench_process import Child, Plan
from edgekit.errors import EdgekitError
from edgekit.manifest import Manifest
from edgekit.runtime.memory import context_of

ANSWER_TOKENS = 64
PROMPT_SHARE = 0.5
"""Of the context, that a long prompt takes, up to MAX_PROMPT_TOKENS."""
MAX_PROMPT_TOKENS = 512
_MODULE = "edgekit.bench_chat_side"
_SHORT = "Tell a long story about a farmer and her goats."
_FILLER = "The farmer walked to the market with her goats and talked to everyone on the way. "


def bench(
    folder: Path,
    *,
    threads: int = 2,
    rounds: int = 5,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, Any]:
    """What `bench --json` prints of a chat artifact."""
    artifact = artifacts.read(folder)
    manifest = artifact.manifest
    context = context_of(manifest, None)
    load = psutil.getloadavg()[0] / machine.cores()
    with ExitStack() as stack:
        sides, cold = [], {}
        for name in ("artifact", "raw"):
            began = time.perf_counter()
            side = stack.enter_context(
                Child(_plan(artifact, name, threads, context), module=_MODULE)
            )
            side.open()
            asked = _ask(side, _SHORT, 1)
            cold[name] = 1000 * (time.perf_counter() - began)
            sides.append(side)
        long = _long(context, tokens_per_character=asked.prompt_tokens / len(_SHORT))
        on_progress(0.2)
        writing: dict[str, list[Timed]] = {side.name: [] for side in sides}
        reading: dict[str, list[Timed]] = {side.name: [] for side in sides}
        tokens = min(ANSWER_TOKENS, context // 4)
        for turn in range(rounds):
            for side in sides if turn % 2 == 0 else sides[::-1]:
                # Each prompt begins in another way, so that nothing of the last one helps.
                writing[side.name].append(_ask(side, f"{turn}. {_SHORT}", tokens))
                reading[side.name].append(_ask(side, f"{turn}, {long}", 1))
            on_progress(0.2 + 0.8 * (turn + 1) / rounds)
        memory = {side.name: side.ask("usage")["peak_rss_bytes"] for side in sides}
    return {
        "threads": threads,
        "rounds": rounds,
        "context": context,
        "lengths": {"prompt_tokens": reading["artifact"][0].prompt_tokens, "tokens": tokens},
        "machine": {
            "cpu": machine.cpu_name(),
            "features": sorted(machine.cpu_features()),
            "cores": machine.cores(),
            "load_before": round(load, 2),
        },
        **{
            name: {
                "size_bytes": _size(manifest),
                **_numbers(writing[name], reading[name]),
                "cold_start_ms": round(cold[name], 1),
                "peak_rss_bytes": memory[name],
            }
            for name in writing
        },
        "ratio": {
            "raw": _ratio(writing, _writing_speed),
            "raw_prompt": _ratio(reading, _reading_speed),
        },
    }


def _plan(artifact: artifacts.Artifact, name: str, threads: int, context: int) -> Plan:
    return Plan(
        name=name,
        request={"folder": str(artifact.folder), "threads": threads, "context": context},
        size_bytes=_size(artifact.manifest),
        folder_bytes=artifact.manifest.needs.disk_bytes,
    )


def _size(manifest: Manifest) -> int:
    return sum(manifest.file(name).size_bytes for name in manifest.model.files)


def _long(context: int, *, tokens_per_character: float) -> str:
    """A question that takes about as many tokens as were meant."""
    characters = round(min(MAX_PROMPT_TOKENS, PROMPT_SHARE * context) / tokens_per_character)
    return (_FILLER * (characters // len(_FILLER) + 1))[:characters]


def _ask(side: Child, prompt: str, tokens: int) -> Timed:
    found = Timed(**side.ask("answer", prompt=prompt, tokens=tokens))
    if tokens > 1 and found.tokens < 2:
        raise EdgekitError(
            "The model answers in less than two tokens, which cannot be timed; build it from a "
            "checkpoint that answers."
        )
    return found


def _writing_speed(timed: Timed) -> float:
    return (timed.tokens - 1) / timed.rest_s


def _reading_speed(timed: Timed) -> float:
    return timed.prompt_tokens / timed.first_s


def _numbers(writing: Sequence[Timed], reading: Sequence[Timed]) -> dict[str, float]:
    return {
        "prompt_tokens_per_s": round(float(np.median([*map(_reading_speed, reading)])), 1),
        "tokens_per_s": round(float(np.median([*map(_writing_speed, writing)])), 1),
        "first_token_ms": round(1000 * float(np.median([one.first_s for one in writing])), 1),
    }


def _ratio(times: dict[str, list[Timed]], speed: Callable[[Timed], float]) -> float:
    """How many times as fast the artifact is, at the median of the turns."""
    pairs = zip(times["artifact"], times["raw"], strict=True)
    return round(float(np.median([speed(ours) / speed(raw) for ours, raw in pairs])), 3)

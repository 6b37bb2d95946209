"""Speed, memory and size of an artifact, alone or against its teacher. Runs no model itself.

Every side lives in a subprocess of its own and all of them take turns with a few texts each, so
that whatever else the machine does affects all alike; a side that waits has stopped spinning.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil

from edgekit.artifact import folder as artifacts
from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.bench import exports
from edgekit.bench.asked import QUICK_TEXTS, Asked, OnProgress
from edgekit.bench.child import Child, SidePlan
from edgekit.checkpoint.describe import describe
from edgekit.data.inputs import Input
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
from edgekit.system import machine

T = TypeVar("T")
TeacherPlans = Callable[[Artifact, Path], Sequence[SidePlan]]
"""The sides that an artifact is compared with, from the checkpoint of its teacher."""

BLOCK_TEXTS = 10
# Threads of an engine keep spinning for some milliseconds after their last work.
PAUSE_SECONDS = 0.05
COLD_STARTS = 3


@dataclass(slots=True)
class Times:
    """What one side took: one entry per text and round, in the same order on all sides."""

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    first_ms: list[float | None] = field(default_factory=list)
    cold_ms: list[float] = field(default_factory=list)
    cold_cpu_ms: list[float] = field(default_factory=list)
    peak_rss_bytes: int = 0
    texts_per_s: float | None = None
    """Several at once; None for sides that can only do one after another."""


def measure(
    asked: Asked,
    texts: Sequence[Input],
    *,
    sides: str,
    most: int,
    teacher: TeacherPlans,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """What `bench --json` prints of the artifact and, if one was asked for, its teacher.

    At most `most` of `texts` are used, the same ones each time; `sides` is the module that opens
    a side. Latencies are for single texts, with as many threads for every side as were asked for.
    """
    artifact, machine = artifacts.read(asked.artifact), machine_now()
    plans = [SidePlan.of_artifact(artifact, sides, "artifact", {"threads": asked.threads})]
    if asked.against is not None:
        plans += teacher(artifact, asked.against)
    chosen, most = list(texts), QUICK_TEXTS if asked.quick else most
    if len(chosen) > most:
        chosen = random.Random(0).sample(chosen, most)
    times = _run(plans, chosen, rounds=asked.rounds, on_progress=on_progress)
    return {
        "threads": asked.threads,
        "rounds": asked.rounds,
        "lengths": _lengths(artifact, chosen),
        "machine": machine,
        **{plan.name: _numbers(plan, times[plan.name]) for plan in plans},
        **(_ratios(plans, times, rounds=asked.rounds) if len(plans) > 1 else {}),
    }


def machine_now() -> dict[str, Any]:
    """What this machine is, and how busy."""
    return {
        "cpu": machine.cpu_name(),
        "features": sorted(machine.cpu_features()),
        "cores": machine.cores(),
        "load_before": round(psutil.getloadavg()[0] / machine.cores(), 2),
    }


def torch_plan(checkpoint: Path, manifest: Manifest, module: str, *, threads: int) -> SidePlan:
    """The teacher in PyTorch, which reads as much of a text as the artifact does."""
    exports.needs_compress()
    request = {
        "folder": checkpoint,
        "threads": threads,
        "prefix": manifest.model.prefix,
        "max_tokens": manifest.model.max_tokens,
    }
    size = describe(checkpoint).fp32_bytes
    return SidePlan(module, "torch_fp32", request, size, _bytes_below(checkpoint))


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _run(
    plans: Sequence[SidePlan],
    texts: Sequence[Input],
    *,
    rounds: int,
    on_progress: OnProgress,
) -> dict[str, Times]:
    times = {plan.name: Times() for plan in plans}
    blocks = [list(texts[at : at + BLOCK_TEXTS]) for at in range(0, len(texts), BLOCK_TEXTS)]
    with ExitStack() as stack:
        sides = _open_sides(plans, texts[0], times, starts=min(rounds, COLD_STARTS), stack=stack)
        on_progress(0.2)
        for turn in range(rounds * len(blocks)):
            for side in _rotated(sides, turn):
                _take_turn(side, blocks[turn % len(blocks)], times[side.plan.name])
            on_progress(0.2 + 0.7 * (turn + 1) / (rounds * len(blocks)))
        for side in sides:
            # Before several texts at once, which take memory of their own.
            times[side.plan.name].peak_rss_bytes = side.ask("usage")["peak_rss_bytes"]
        artifact = sides[0]
        artifact.ask("many", {"texts": blocks[0]})
        many = {"texts": list(texts)}
        seconds = [artifact.ask("many", many)["seconds"] for _ in range(rounds)]
        times[artifact.plan.name].texts_per_s = len(texts) / float(np.median(seconds))
    on_progress(1.0)
    return times


def _start_cold(plan: SidePlan, text: Input, stack: ExitStack) -> tuple[Child, float, float]:
    """A side that has given its first label, with the wall and CPU time that this took, in ms."""
    began = time.perf_counter()
    side = stack.enter_context(Child(plan))
    side.open()
    side.ask("one", {"texts": [text]})
    wall = 1000 * (time.perf_counter() - began)
    return side, wall, side.ask("usage")["cpu_ms"]


def _open_sides(
    plans: Sequence[SidePlan],
    text: Input,
    times: Mapping[str, Times],
    *,
    starts: int,
    stack: ExitStack,
) -> list[Child]:
    """Starts each side several times, in turns, and keeps the last; the first does not count."""
    sides = {}
    for number in range(starts + 1):
        for plan in _rotated(plans, number):
            with ExitStack() as one_start:
                side, wall, cpu = _start_cold(plan, text, one_start)
                if number > 0:
                    times[plan.name].cold_ms.append(wall)
                    times[plan.name].cold_cpu_ms.append(cpu)
                if number == starts:
                    sides[plan.name] = side
                    stack.push(one_start.pop_all())
    return [sides[plan.name] for plan in plans]


def _take_turn(side: Child, block: list[Input], times: Times) -> None:
    """One text that does not count warms up threads and caches; then each text of the block."""
    time.sleep(PAUSE_SECONDS)
    reply = side.ask("one", {"texts": [block[-1], *block]})
    times.wall_ms += reply["ms"][1:]
    times.cpu_ms += reply["cpu_ms"][1:]
    times.answers += reply["answers"][1:]
    times.tokens += reply["tokens"][1:]
    times.first_ms += reply["first_ms"][1:]


def _rotated(items: Sequence[T], by: int) -> list[T]:
    """No side is always the first, or always after the same other."""
    shift = by % len(items)
    turned = [*items[shift:], *items[:shift]]
    return turned if (by // len(items)) % 2 == 0 else turned[::-1]


def _lengths(artifact: Artifact, texts: Sequence[Input]) -> dict[str, float]:
    """How many tokens the texts have, special ones included."""
    spec = artifact.manifest.model
    encoder = TextTokenizer(
        artifacts.read_file(artifact, TOKENIZER), prefix=spec.prefix, max_tokens=spec.max_tokens
    )
    tokens = [sum(len(ids) for ids in encoder.windows(text)) for text in texts]
    p50, p95 = np.percentile(tokens, [50, 95])
    return {
        "texts": len(tokens),
        "mean": round(float(np.mean(tokens)), 2),
        "p50": float(p50),
        "p95": float(p95),
        "max": max(tokens),
    }


def _numbers(plan: SidePlan, times: Times) -> dict[str, float]:
    p50, p95 = np.percentile(times.wall_ms, [50, 95])
    return {
        "size_bytes": plan.size_bytes,
        "folder_bytes": plan.folder_bytes,
        "p50_ms": round(float(p50), 3),
        "p95_ms": round(float(p95), 3),
        "cpu_ms": round(float(np.median(times.cpu_ms)), 3),
        "texts_per_s": round(times.texts_per_s or 1000 / float(np.mean(times.wall_ms)), 1),
        "cold_start_ms": round(float(np.median(times.cold_ms)), 1),
        "cold_start_cpu_ms": round(float(np.median(times.cold_cpu_ms)), 1),
        "peak_rss_bytes": times.peak_rss_bytes,
        **_written(times),
    }


def _written(times: Times) -> dict[str, float]:
    """For a side that generates: its tokens per second, and the wait for the first words."""
    if not sum(times.tokens):
        return {}
    speed = 1000 * sum(times.tokens) / sum(times.wall_ms)
    first = [one for one in times.first_ms if one is not None]
    return {
        "tokens_per_s": round(speed, 1),
        **({"first_words_ms": round(float(np.median(first)), 1)} if first else {}),
    }


def _ratios(
    plans: Sequence[SidePlan], times: Mapping[str, Times], *, rounds: int
) -> dict[str, dict[str, Any]]:
    """How many times less the artifact takes: medians of wall time, of CPU time, by round."""
    artifact, *others = plans
    new = times[artifact.name]
    names = [plan.name for plan in others]

    def ratio(kind: str, name: str, part: slice = slice(None)) -> float:
        old, less = getattr(times[name], kind)[part], getattr(new, kind)[part]
        return round(float(np.median(old) / np.median(less)), 3)

    size = len(new.wall_ms) // rounds
    parts = [slice(at * size, (at + 1) * size) for at in range(rounds)]
    weights = next(plan.size_bytes for plan in others)
    return {
        "ratio": {
            "size": round(weights / artifact.size_bytes, 3),
            **{
                f"size_{plan.name}": round(plan.size_bytes / artifact.size_bytes, 3)
                for plan in others
                if plan.name == "optimum_int8"
            },
            **{name: ratio("wall_ms", name) for name in names},
        },
        "ratio_cpu": {name: ratio("cpu_ms", name) for name in names},
        "ratio_by_round": {
            name: [ratio("wall_ms", name, part) for part in parts] for name in names
        },
        "agreement": {
            name: float(np.mean(np.array(times[name].answers) == np.array(new.answers)))
            for name in names
        },
    }

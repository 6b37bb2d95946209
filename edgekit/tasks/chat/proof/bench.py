"""What `edgekit bench` measures and shows of a chat artifact, compared with plain llama-cpp-python.

Each side runs in its own subprocess and they take turns with single answers, so that whatever else
the machine does hits both; the ratio is the median over the turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.artifact import folder as artifacts
from edgekit.bench import table
from edgekit.bench.asked import Asked, OnProgress
from edgekit.bench.child import Child, SidePlan
from edgekit.bench.measure import machine_now
from edgekit.bench.table import Table
from edgekit.errors import EdgekitError
from edgekit.runtime.memory import context_of
from edgekit.tasks.chat.proof.sides import SIDES, Timed

ANSWER_TOKENS = 64
PROMPT_SHARE = 0.5
"""Share of the context that a long prompt takes, up to MAX_PROMPT_TOKENS."""
MAX_PROMPT_TOKENS = 512
_SIDES = "edgekit.tasks.chat.proof.sides"
_SHORT = "Tell a long story about a farmer and her goats."
_FILLER = "The farmer walked to the market with her goats and talked to everyone on the way. "


def run(asked: Asked, *, on_progress: OnProgress) -> dict[str, Any]:
    """What `bench --json` prints."""
    for name in ("against", "data", "baseline"):
        if getattr(asked, name):
            raise EdgekitError(
                f"--{name} is for other artifacts; one that chats is compared with "
                "llama-cpp-python on the same file."
            )
    artifact, machine = artifacts.read(asked.artifact), machine_now()
    threads, rounds, context = asked.threads, asked.rounds, context_of(artifact.manifest, None)
    tokens = min(ANSWER_TOKENS, context // 4)
    with ExitStack() as stack:
        settings = {"threads": threads, "context": context}
        plans = [SidePlan.of_artifact(artifact, _SIDES, name, settings) for name in SIDES]
        sides = [_start(plan, stack) for plan in plans]
        on_progress(0.2)
        # The raw side's, whose prompts have no template.
        long = _long(context, sides[1].tokens_per_character)
        for turn in range(rounds):
            for side in sides if turn % 2 == 0 else sides[::-1]:
                # Each prompt begins differently, so that the KV cache of the last one is no help.
                side.writing.append(_ask(side.child, f"{turn}. {_SHORT}", tokens))
                side.reading.append(_ask(side.child, f"{turn}, {long}", 1))
            on_progress(0.2 + 0.8 * (turn + 1) / rounds)
        numbers = {side.child.plan.name: _numbers(side) for side in sides}
    ours, raw = sides
    return {
        "threads": threads,
        "rounds": rounds,
        "context": context,
        "lengths": {"prompt_tokens": ours.reading[0].prompt_tokens, "tokens": tokens},
        "machine": machine,
        **numbers,
        "ratio": {
            "raw": _ratio(ours.writing, raw.writing, _writing_speed),
            "raw_prompt": _ratio(ours.reading, raw.reading, _reading_speed),
        },
    }


@dataclass(slots=True)
class _Side:
    """One side that has answered once, and its times since then."""

    child: Child
    cold_ms: float
    tokens_per_character: float
    writing: list[Timed] = field(default_factory=list)
    reading: list[Timed] = field(default_factory=list)


def _start(plan: SidePlan, stack: ExitStack) -> _Side:
    began = time.perf_counter()
    child = stack.enter_context(Child(plan))
    child.open()
    asked = _ask(child, _SHORT, 1)
    return _Side(
        child=child,
        cold_ms=1000 * (time.perf_counter() - began),
        tokens_per_character=asked.prompt_tokens / len(_SHORT),
    )


def _long(context: int, tokens_per_character: float) -> str:
    """A question of about as many tokens as intended."""
    characters = round(min(MAX_PROMPT_TOKENS, PROMPT_SHARE * context) / tokens_per_character)
    return (_FILLER * (characters // len(_FILLER) + 1))[:characters]


def _ask(side: Child, prompt: str, tokens: int) -> Timed:
    found = Timed(**side.ask("answer", {"prompt": prompt, "tokens": tokens}))
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


def _numbers(side: _Side) -> dict[str, float]:
    return {
        "size_bytes": side.child.plan.size_bytes,
        "prompt_tokens_per_s": _median(map(_reading_speed, side.reading)),
        "tokens_per_s": _median(map(_writing_speed, side.writing)),
        "first_token_ms": _median(1000 * one.first_s for one in side.writing),
        "cold_start_ms": round(side.cold_ms, 1),
        "peak_rss_bytes": side.child.ask("usage")["peak_rss_bytes"],
    }


def _median(values: Iterable[float]) -> float:
    return round(float(np.median(list(values))), 1)


def _ratio(ours: Sequence[Timed], raw: Sequence[Timed], speed: Callable[[Timed], float]) -> float:
    """How many times as fast the artifact is, as the median over the turns."""
    pairs = zip(ours, raw, strict=True)
    return round(float(np.median([speed(one) / speed(other) for one, other in pairs])), 3)


def shown(result: Mapping[str, Any]) -> Iterator[Table | str]:
    lengths = result["lengths"]
    yield table.of_sides(
        f"Prompts of {lengths['prompt_tokens']} tokens and answers of {lengths['tokens']}, with "
        f"{result['threads']} threads, {result['rounds']} rounds in turns",
        {
            "reads": lambda one: f"{one['prompt_tokens_per_s']:,.0f} tokens/s",
            "writes": lambda one: f"{one['tokens_per_s']:,.1f} tokens/s",
            "first piece": lambda one: f"{one['first_token_ms']:,.0f} ms",
            "cold": lambda one: f"{one['cold_start_ms']:,.0f} ms",
            **table.MEMORY_AND_WEIGHTS,
        },
        result,
    )
    yield (
        f"\nThe artifact writes {result['ratio']['raw']:.2f} times as fast as raw llama-cpp-python "
        "with the same file."
    )

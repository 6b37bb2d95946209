"""How long this machine takes for the operators that encoders consist of. Knows no artifact."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.bench.onnx_bytes import Node, model
from edgekit.runtime.sessions import open_session

SHAPES = ((16, 384, 1536), (128, 384, 1536), (16, 768, 3072))
"""Tokens, and the columns before and after a matrix."""
ATTENTION = ((12, 16, 32), (12, 128, 64))
"""Heads, tokens, and the width of a head."""
LEAST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Operator:
    kind: str
    """`MatMul`, `MatMulInteger` with what quantizes its input, or `attention`."""
    shape: tuple[int, ...]
    us: float
    """Microseconds, the fastest of many runs: what else the machine does only makes them slower."""


def measure(*, threads: int, seconds: float) -> list[Operator]:
    """All operators, each for an equal share of the seconds."""
    asked = [
        *(("MatMul", shape) for shape in SHAPES),
        *(("MatMulInteger", shape) for shape in SHAPES),
        *(("attention", shape) for shape in ATTENTION),
    ]
    share = seconds / len(asked)
    return [
        Operator(kind, shape, _time(kind, shape, threads=threads, seconds=share))
        for kind, shape in asked
    ]


def _time(kind: str, shape: Sequence[int], *, threads: int, seconds: float) -> float:
    data, inputs = _MODELS[kind](*shape)
    session = open_session(lambda: data, threads)
    session.run(None, inputs)  # the first time, weights are packed and memory is taken
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while len(times) < LEAST_RUNS or time.perf_counter() < ends:
        began = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - began)
    return round(1e6 * min(times), 1)


Model = tuple[bytes, dict[str, np.ndarray]]


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def _matrix(tokens: int, rows: int, columns: int) -> Model:
    data = model(
        [Node("MatMul", ("x", "w"), ("y",))],
        inputs={"x": (tokens, rows)},
        weights={"w": _random(rows, columns)},
        output="y",
    )
    return data, {"x": _random(tokens, rows)}


def _integers(tokens: int, rows: int, columns: int) -> Model:
    weights = np.random.default_rng(7).integers(-127, 128, (rows, columns)).astype(np.int8)
    data = model(
        [
            Node("DynamicQuantizeLinear", ("x",), ("q", "scale", "zero")),
            Node("MatMulInteger", ("q", "w", "zero"), ("y",)),
        ],
        inputs={"x": (tokens, rows)},
        weights={"w": weights},
        output="y",
    )
    return data, {"x": _random(tokens, rows)}


def _attention(heads: int, tokens: int, width: int) -> Model:
    data = model(
        [
            Node("MatMul", ("q", "k"), ("scores",)),
            Node("Softmax", ("scores",), ("shares",)),
            Node("MatMul", ("shares", "v"), ("y",)),
        ],
        inputs={
            "q": (heads, tokens, width), "k": (heads, width, tokens), "v": (heads, tokens, width),
        },
        weights={},
        output="y",
    )  # fmt: skip
    return data, {
        "q": _random(heads, tokens, width),
        "k": _random(heads, width, tokens),
        "v": _random(heads, tokens, width),
    }


_MODELS = {"MatMul": _matrix, "MatMulInteger": _integers, "attention": _attention}

"""Measures how long the parts of a layer take on this machine, by width. Knows no checkpoint.

ZipLM's table (Kurtic et al. 2023, arXiv 2302.04089): what a head or a neuron costs is measured
on the machine where the model will run, in onnxruntime, not counted in operations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgekit.runtime.ort import onnxruntime

OPSET = 17
TURNS, ROUNDS = 5, 8
NETWORK_WIDTHS = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of one layer, and how many layers there are."""

    hidden: int
    head_size: int
    heads: int
    ffn: int
    layers: int
    """This many equal parts are timed as one: together they need as much memory as a model does,
    and parts that fit a processor's cache would seem faster than they are."""


@dataclass(frozen=True, slots=True)
class Table:
    """Seconds for one text, the mean over the measured lengths."""

    attention: dict[int, float]
    """By number of heads."""
    network: dict[int, float]
    """By number of neurons."""

    def attention_seconds(self, heads: np.ndarray) -> np.ndarray:
        return _between(self.attention, heads)

    def network_seconds(self, neurons: np.ndarray) -> np.ndarray:
        return _between(self.network, neurons)

    def as_json(self) -> dict[str, dict[str, float]]:
        return {
            name: {str(width): seconds for width, seconds in part.items()}
            for name, part in (("attention", self.attention), ("network", self.network))
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Mapping[str, float]]) -> Table:
        attention, network = (
            {int(width): seconds for width, seconds in value[name].items()}
            for name in ("attention", "network")
        )
        return cls(attention, network)


def measure(shape: Shape, lengths: Sequence[int], *, on_progress: Callable[[float], None]) -> Table:
    """Times attention and feed-forward networks of several widths at each length."""
    heads = sorted({max(1, round(shape.heads * share / 6)) for share in range(1, 7)} | {1})
    steps = np.geomspace(min(32, shape.ffn), shape.ffn, NETWORK_WIDTHS)
    neurons = sorted({max(1, min(shape.ffn, 32 * round(step / 32) or shape.ffn)) for step in steps})
    graphs = {("heads", width): _attention(shape, width) for width in heads}
    graphs |= {("ffn", width): _network(shape, width) for width in neurons}
    sessions = {key: _session(graph) for key, graph in graphs.items()}
    fastest = {(key, length): math.inf for key in sessions for length in lengths}
    # In turns, so that a busy moment of the machine affects all alike.
    for turn in range(TURNS):
        for key, session in sessions.items():
            for length in lengths:
                seconds = _seconds(session, shape.hidden, length) / shape.layers
                fastest[key, length] = min(fastest[key, length], seconds)
        on_progress((turn + 1) / TURNS)

    def mean(kind: str, width: int) -> float:
        return sum(fastest[(kind, width), length] for length in lengths) / len(lengths)

    return Table(
        {width: mean("heads", width) for width in heads},
        {width: mean("ffn", width) for width in neurons},
    )


def _between(known: dict[int, float], wanted: np.ndarray) -> np.ndarray:
    """Interpolated; never falling as the width grows, whatever the clock said."""
    widths = np.array(sorted(known))
    times = np.maximum.accumulate([known[int(width)] for width in widths])
    return np.interp(wanted, widths, times)


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # all work is on this thread, whose clock is read
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _seconds(session: onnxruntime.InferenceSession, hidden: int, length: int) -> float:
    """CPU seconds of one run, the least of several rounds: other programs cost wall time first."""
    text = {"x": np.random.default_rng(0).normal(size=(1, length, hidden)).astype(np.float32)}
    times = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        session.run(None, text)
        times.append(time.thread_time() - began)
    return min(times)


class _Builder:
    """Builds a graph of one input and one output, both (1, length, hidden)."""

    def __init__(self) -> None:
        self.nodes: list = []
        self.weights: list = []
        self.generator = np.random.default_rng(0)

    def matrix(self, rows: int, columns: int) -> str:
        values = self.generator.normal(scale=rows**-0.5, size=(rows, columns))
        return self.constant(values.astype(np.float32))

    def constant(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def linear(self, value: str, rows: int, columns: int) -> str:
        bias = self.constant(np.zeros(columns, dtype=np.float32))
        return self.node("Add", self.node("MatMul", value, self.matrix(rows, columns)), bias)

    def normalized(self, value: str, hidden: int) -> str:
        one, zero = np.ones(hidden, dtype=np.float32), np.zeros(hidden, dtype=np.float32)
        return self.node("LayerNormalization", value, self.constant(one), self.constant(zero))

    def model(self, output: str, hidden: int) -> bytes:
        sizes: list[int | str | None] = [1, "length", hidden]
        graph = helper.make_graph(
            self.nodes,
            "part",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, sizes)],
            self.weights,
        )
        version = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        version.ir_version = 8
        return bytes(version.SerializeToString())


def _attention(shape: Shape, heads: int) -> bytes:
    build, value = _Builder(), "x"
    width = heads * shape.head_size
    split = build.constant(np.array([0, 0, heads, shape.head_size], dtype=np.int64))
    joined = build.constant(np.array([0, 0, width], dtype=np.int64))
    root = build.constant(np.array(shape.head_size**0.5, dtype=np.float32))

    def by_head(source: str, order: list[int]) -> str:
        line = build.linear(source, shape.hidden, width)
        return build.node("Transpose", build.node("Reshape", line, split), perm=order)

    for _ in range(shape.layers):
        query, key = by_head(value, [0, 2, 1, 3]), by_head(value, [0, 2, 3, 1])
        scores = build.node("Div", build.node("MatMul", query, key), root)
        odds = build.node("Softmax", scores, axis=-1)
        mixed = build.node("MatMul", odds, by_head(value, [0, 2, 1, 3]))
        mixed = build.node("Reshape", build.node("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
        out = build.linear(mixed, width, shape.hidden)
        value = build.normalized(build.node("Add", out, value), shape.hidden)
    return build.model(value, shape.hidden)


def _network(shape: Shape, neurons: int) -> bytes:
    build, value = _Builder(), "x"
    half, one, root = (
        build.constant(np.array(number, dtype=np.float32)) for number in (0.5, 1.0, 2.0**0.5)
    )
    for _ in range(shape.layers):
        inner = build.linear(value, shape.hidden, neurons)
        error = build.node("Erf", build.node("Div", inner, root))
        gelu = build.node("Mul", build.node("Mul", inner, build.node("Add", error, one)), half)
        out = build.linear(gelu, neurons, shape.hidden)
        value = build.normalized(build.node("Add", out, value), shape.hidden)
    return build.model(value, shape.hidden)

"""Echo: a text comes back with the label that the model gives it."""

from __future__ import annotations

from edgekit.data.rows import read_rows
from edgekit.tables import Family
from edgekit.tasks.contract import Task

TASK = Task(
    must=frozenset({"metric", "keep"}),
    metrics=frozenset({"same"}),
    meaningless={"abstain_below": "belongs to classification, whose answers have a score"},
    read_rows=read_rows,
    heads={Family.ENCODER: "logits"},
    engines={
        "onnx": "edgekit.runtime.onnx:open_classifier",
        "plain": "tests.tasks.echo.plain:open_plain",
    },
)

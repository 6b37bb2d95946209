"""Classification: a text gets one of the model's labels."""

from __future__ import annotations

from edgekit.data.rows import read_rows
from edgekit.tables import Family
from edgekit.tasks.contract import Task

TASK = Task(
    must=frozenset({"metric", "keep", "worst_language"}),
    metrics=frozenset({"macro_f1", "accuracy"}),
    meaningless={
        "words": "belongs to summarization, and says how long a summary is",
        "data.choices": "is for the task chat",
    },
    read_rows=read_rows,
    heads={Family.ENCODER: "logits"},
    may_have=frozenset({"familiar", "thresholds"}),
    pairs=True,
    engines={"onnx": "edgekit.runtime.onnx:open_classifier"},
)

"""Summarization: a text of any length becomes a short one, chosen or written."""

from __future__ import annotations

from edgekit.data.rows import read_pairs
from edgekit.tables import Family
from edgekit.tasks.contract import Task

TASK = Task(
    must=frozenset({"metric", "keep", "worst_language"}),
    metrics=frozenset({"rouge1", "rouge2", "rougeLsum", "chrf"}),
    meaningless={
        "abstain_below": "belongs to classification, whose answers have a score",
        "data.choices": "is for the task chat",
    },
    read_rows=read_pairs,
    heads={Family.SEQ2SEQ: "summaries", Family.ENCODER: "embedding"},
    # An encoder chooses sentences: it has no head to train.
    without={Family.ENCODER: frozenset({"distill", "finetune", "prune"})},
    engines={"onnx": "edgekit.tasks.summarization.opening:open_summarizer"},
    spec="summary",
)

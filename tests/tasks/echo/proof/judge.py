"""Judges echoes: how many are the teacher's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import edgekit
from edgekit.artifact.folder import Artifact
from edgekit.data.rows import Row
from edgekit.job.job import Exported, OutputJob
from edgekit.job.plan import Plan
from edgekit.judging.judged import Judged
from edgekit.judging.latency import measure
from edgekit.judging.noninferiority import kept_mean
from edgekit.judging.verdict import Finding, Must, decide
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
from edgekit.tasks.classification.proof import judge as classification
from edgekit.tasks.classification.proof.judge import (
    PACKAGES,
    TRIAL_ROWS,
    judging_cost,
    labels,
    measured_shape,
    teacher,
    teacher_cost,
    tokens,
)
from tests.tasks.echo.plain import Plain

__all__ = [
    "PACKAGES", "TRIAL_ROWS", "judge", "judging_cost", "labels", "latency", "measured_shape",
    "teacher", "teacher_cost", "tokens",
]  # fmt: skip


def judge(
    plan: Plan, job: OutputJob, exported: Exported, teacher: classification.Answers
) -> Judged:
    rows, tokenizer = plan.dataset.test, job.checkpoint / TOKENIZER
    found = _logits(exported.model, plan.dataset.labels, job, [row.text for row in rows])
    same = found.argmax(axis=1) == teacher.test.argmax(axis=1)
    by_language = {
        language: {
            "rows": (spoken := [row.language == language for row in rows]).count(True),
            "same": float(same[spoken].mean()),
        }
        for language in plan.bound.recipe.languages
    }
    shown = rows[0].text
    scores = dict.fromkeys(plan.dataset.labels, 1 / len(plan.dataset.labels))
    return Judged(
        files={exported.model.name: exported.model, TOKENIZER: tokenizer},
        golden={"inputs": [shown], "answers": [{"scores": scores}], "tolerance": 1.0},
        model={"prefix": "", "temperature": 1.0},
        ram_bytes=1_000_000,
        quality={
            "rows": len(rows),
            "same": float(same.mean()),
            "by_language": by_language,
            **_verdict(plan, same),
        },
    )


def latency(artifact: Artifact, rows: Sequence[Row]) -> dict[str, float]:
    return measure(artifact, rows, _echo, texts=2)


def _echo(model: edgekit.Model, text: str) -> object:
    return model.verbs.echo(text)


def _logits(
    model: Path, labels: tuple[str, ...], job: OutputJob, texts: Sequence[str]
) -> np.ndarray:
    if model.suffix == ".json":
        plain = Plain(labels, json.loads(model.read_text(encoding="utf-8")))
        return np.stack([plain.logits(text, alone=True)[0] for text in texts])
    tokenizer = TextTokenizer(job.checkpoint / TOKENIZER, max_tokens=job.max_tokens)
    with OnnxClassifier(model.read_bytes, tokenizer) as engine:
        return np.stack([logits for logits, _ in engine.map(texts)])


def _verdict(plan: Plan, same: np.ndarray) -> dict[str, Any]:
    must = Must(keep=plan.bound.recipe.must.keep)
    right, groups = same.astype(float), np.arange(len(same))
    kept = kept_mean(right, np.ones(len(same)), groups, keep=must.keep, seed=7)
    finding = Finding(kept=kept, same=bool(same.all()), rows=len(same))
    return asdict(decide(must, finding))

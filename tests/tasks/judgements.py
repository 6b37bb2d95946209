"""A judgement of each task, as its own judge gives it on made-up rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import folder as artifacts
from edgekit.artifact.folder import Artifact
from edgekit.data.rows import Row
from edgekit.export.gguf.divergence import Tokenwise
from edgekit.tasks.chat.proof import quality as chat
from edgekit.tasks.chat.proof.judge import with_questions
from edgekit.tasks.classification.proof import quality as classification
from edgekit.tasks.summarization.proof import quality as summarization
from edgekit.tasks.translation.proof import quality as translation
from tests.tiny.artifact import fields

LANGUAGES = ["en", "sw"]
LABELS = ["off", "on"]


def _rows(count: int, **changes: Any) -> list[Row]:
    return [
        Row(f"text {n}", language=("en", "sw", "xx")[n % 3], slices={"kind": "a"}, **changes)
        for n in range(count)
    ]


def classified(*, against: bool = True) -> dict[str, Any]:
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 900)
    teacher = np.eye(2)[truth] * 2 + random.normal(size=(900, 2))
    rows = [
        Row(row.text, LABELS[label], row.language, slices=row.slices)
        for row, label in zip(_rows(900), truth, strict=True)
    ]
    return classification.judge(
        rows,
        teacher + random.normal(size=(900, 2)) / 20,
        LABELS,
        teacher_logits=teacher if against else None,
        languages=[*LANGUAGES, "fr"],
        must=classification.Must(keep=0.9),
    )


def chatted(*, against: bool = True) -> dict[str, Any]:
    random = np.random.default_rng(3)
    row_of = np.repeat(np.arange(150), 40)
    parent = random.gamma(2, 1, len(row_of))
    if not against:
        return chat.measure(_rows(150), parent, row_of, languages=[*LANGUAGES, "fr"])
    found = chat.judge(
        _rows(150),
        Tokenwise(
            kld=random.exponential(0.02, len(row_of)),
            parent_nll=parent,
            nll=parent + random.normal(0.01, 0.1, len(row_of)),
            same_top=random.random(len(row_of)) < 0.92,
        ),
        row_of,
        languages=[*LANGUAGES, "fr"],
        must=chat.ChatMust(kld=0.05),
    )
    bits = {"parent": 0.91, "model": 0.93}
    anew = {"rows": 7, "rows_too_short": 1, "bytes": 900, "bits_per_byte": bits}
    return with_questions({**found, "read_anew": anew}, classified())


def summarized(*, against: bool = True) -> dict[str, Any]:
    rows = [
        Row(f"Beginning {n}. The point is {n}. The end.", summary=f"The point is {n}.",
            language=row.language, slices=row.slices)
        for n, row in enumerate(_rows(450))
    ]  # fmt: skip
    points = [str(row.summary) for row in rows]
    return summarization.judge(
        rows,
        points,
        teacher=points if against else None,
        languages=[*LANGUAGES, "fr"],
        must=summarization.SummaryMust(keep=0.9),
    )


def translated(*, against: bool = True) -> dict[str, Any]:
    rows = [
        Row(f"The lamp is {n}.", summary=f"La lampe est {n}.", language=row.language,
            slices=row.slices)
        for n, row in enumerate(_rows(450))
    ]  # fmt: skip
    right = [str(row.summary) for row in rows]
    return translation.judge(
        rows,
        right,
        teacher=right if against else None,
        languages=[*LANGUAGES, "fr"],
        must=translation.TranslationMust(keep=0.9),
    )


JUDGED: Mapping[str, Callable[..., dict[str, Any]]] = {
    "chat": chatted,
    "classification": classified,
    "summarization": summarized,
    "translation": translated,
}
"""By task: what its judge finds, beside a teacher or, with `against=False`, alone."""

_MODELS: Mapping[str, Mapping[str, Any]] = {
    "chat": {
        "chat": {
            "template_sha256": "", "context": 512, "kv_bytes_per_token": 512, "vocabulary": 1000,
        }
    },
    "classification": {},
    "summarization": {"summary": {"engine": "extractive", "words": 30, "generation": {}}},
    "translation": {
        "translation": {
            "frames": {"en→sw": {"before": [], "after": [2], "first": None}}, "generation": {},
        }
    },
}  # fmt: skip
"""By task: what a manifest says of its model beside what all say."""


def artifact_of(folder: Path, task: str, judged: Mapping[str, Any]) -> Artifact:
    """An artifact with this judgement; its model is none, and nothing loads it."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"no weights")
    whole = fields(name=f"tiny-{task}", task=task, quality=dict(judged))
    whole["model"] |= _MODELS[task]
    if task != "classification":
        whole["labels"] = []
    return artifacts.write(folder, whole)

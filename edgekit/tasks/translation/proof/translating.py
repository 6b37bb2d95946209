"""Translations of rows by a build's engine, and golden answers. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.data.rows import Row
from edgekit.data.spread import spread
from edgekit.export.onnx.seq2seq import proof
from edgekit.job.job import OnProgress, OutputJob
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.system.cancel import Cancel
from edgekit.tasks.translation.engine import Seq2SeqTranslator
from edgekit.wording.directions import split


def translations(
    writer: Seq2SeqWriter, job: OutputJob, rows: Sequence[Row], on_progress: OnProgress
) -> list[str]:
    """As the runtime that users have makes them, row by row; closes the writer."""
    engine = Seq2SeqTranslator(writer, job.frames)
    found = []
    try:
        for row in rows:
            source, target = split(str(row.language)) or ("", "")
            done = engine.translate(
                row.text, source=source, target=target, tell=lambda told: None, cancel=Cancel()
            )
            found.append(done.text)
            on_progress(len(found) / len(rows))
    finally:
        engine.close()
    return found


def golden(writer: Seq2SeqWriter, job: OutputJob) -> Mapping[str, Any]:
    rows = spread(job.rows, proof.GOLDEN_TEXTS, total=True)
    return {
        "inputs": [{"text": row.text, "direction": row.language} for row in rows],
        "answers": [
            {"tokens": proof.clear_tokens(writer.framed(job.frames[str(row.language)]), row.text)}
            for row in rows
        ],
    }

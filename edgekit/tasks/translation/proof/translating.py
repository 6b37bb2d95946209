"""Translations of rows by a build's engine, and golden answers. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.data.rows import Row
from edgekit.data.spread import spread
from edgekit.job.job import OnProgress, OutputJob
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.system.cancel import Cancel
from edgekit.tasks.translation.engine import Seq2SeqTranslator
from edgekit.wording.directions import split

GOLDEN_TEXTS = 8
GOLDEN_TOKENS = 12
# The margin in logits over the runner-up that makes a token the same on every CPU.
CLEAR_MARGIN = 0.5


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
    rows = spread(job.rows, GOLDEN_TEXTS, total=True)
    return {
        "inputs": [{"text": row.text, "direction": row.language} for row in rows],
        "answers": [
            {"tokens": _clear(writer.framed(job.frames[str(row.language)]), row.text)}
            for row in rows
        ],
    }


def _clear(writer: Seq2SeqWriter, text: str) -> list[int]:
    """The first tokens of the likeliest answer, as far as they are the same on every CPU."""
    found = []
    for piece, margin in writer.greedy(text, GOLDEN_TOKENS):
        if margin < CLEAR_MARGIN:
            break
        found.append(piece)
    return found

"""A teacher as its fp32 export, several times faster than torch: it writes for a student."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgekit.checkpoint import models
from edgekit.checkpoint.generation import search_settings
from edgekit.export.onnx.seq2seq import tracing
from edgekit.job.job import Job
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.runtime.tokens import TOKENIZER


def open_teacher(job: Job) -> Seq2SeqWriter:
    """It answers a text in one thread, so that several can be answered at once."""
    with tempfile.TemporaryDirectory() as scratch:
        tracing.export(job.teacher, Path(scratch))
        return Seq2SeqWriter(
            lambda name: (Path(scratch) / name).read_bytes(),
            (job.teacher / TOKENIZER).read_bytes(),
            search_settings(models.load_seq2seq(job.teacher)),
            prefix=job.recipe.prefix,
            max_tokens=job.max_tokens,
            threads=1,
        )

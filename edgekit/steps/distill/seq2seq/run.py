"""The heavy half of `distill` for a model that writes: fewer layers learn the teacher's words.

"Shrink and fine-tune" on pseudo-summaries: the student keeps the encoder and some layers of the
decoder, and learns the summaries that the teacher writes (Shleifer and Rush 2020, arXiv
2010.13002, sections 3.1 and 3.3).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit import tables
from edgekit.checkpoint import models
from edgekit.checkpoint.generation import search_settings
from edgekit.checkpoint.layers import keep_writer_layers
from edgekit.job.job import Job, OnProgress
from edgekit.runtime.parallel import in_order
from edgekit.runtime.seq2seq.summarizer import Seq2SeqSummarizer
from edgekit.runtime.tokens import TOKENIZER
from edgekit.steps.distill.settings import DistillSettings, passes
from edgekit.steps.layers import kept_layers
from edgekit.store.store import PROGRESS
from edgekit.system import devices, machine
from edgekit.system.digest import sha256_json
from edgekit.system.machine import write_safely
from edgekit.tables import Family
from edgekit.training import seq2seq as writing
from edgekit.training.loop import Schedule

VERSION = 1
RATE = 5e-4
SUMMARIES = "summaries.jsonl"
SAVE_EVERY = 100
"""Summaries; with a large teacher they take a few minutes."""


def run(settings: DistillSettings, job: Job) -> dict[str, Any]:
    """Teaches, writes the student into `job.out`, returns how near it came to the teacher."""
    unlabeled = list(dict.fromkeys(job.dataset.unlabeled))[: settings.unlabeled]
    texts = [*(row.text for row in job.dataset.train), *unlabeled]
    judged = [row.text for row in job.dataset.validation]
    written = pseudo_summaries(job, [*texts, *judged])
    before = job.description
    kept = kept_layers(settings.decoder_layers or before.decoder_layers, before.decoder_layers)
    student = keep_writer_layers(job.checkpoint, encoder=range(before.layers), decoder=kept)
    trained = writing.learn(
        student,
        job,
        writing.lesson(job, texts, written[: len(texts)]),
        validation=writing.lesson(job, judged, written[len(texts) :]),
        schedule=_schedule(settings, job),
    )
    models.save(student, job.out, source=job.checkpoint)
    return {
        "after": {
            "decoder_layers": kept,
            "texts": len(texts),
            "best_epoch": trained.best_epoch,
            "validation_likelihood": round(trained.best_score, 6),
        },
        "notes": list(trained.notes),
        "training": asdict(trained),
    }


def pseudo_summaries(job: Job, texts: Sequence[str]) -> list[str]:
    """What the teacher writes of each text, or of the beginning of one that is too long for it."""
    inputs = {
        **job.common,
        "teacher": job.teacher_digest,
        "texts": sha256_json(list(texts)),
        "version": VERSION,
    }

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        return {"texts": _write(job, texts, out, on_progress)}

    done = job.run_stored("pseudo-summaries", inputs, make)
    return _read(done.folder / SUMMARIES)


def _write(job: Job, texts: Sequence[str], out: Path, on_progress: OnProgress) -> int:
    kept = out / PROGRESS / SUMMARIES
    written = _read(kept) if kept.is_file() else []
    teacher = _teacher(job)
    answers = in_order(teacher.beginning, texts[len(written) :], workers=machine.cores())
    with closing(answers):
        for number, summary in enumerate(answers, start=len(written) + 1):
            written.append(summary)
            if number % SAVE_EVERY == 0:
                kept.parent.mkdir(exist_ok=True)
                write_safely(kept, _lines(written))
            on_progress(number / len(texts))
    teacher.close()
    write_safely(out / SUMMARIES, _lines(written))
    return len(written)


def _teacher(job: Job) -> Seq2SeqSummarizer:
    """It answers through its export, which is several times faster than torch, and several texts at
    once, each in one thread."""
    with tempfile.TemporaryDirectory() as scratch:
        tables.tracer(Family.SEQ2SEQ).export(job.teacher, Path(scratch))
        return Seq2SeqSummarizer(
            lambda name: (Path(scratch) / name).read_bytes(),
            (job.teacher / TOKENIZER).read_bytes(),
            search_settings(models.load_seq2seq(job.teacher)),
            prefix=job.recipe.prefix,
            max_tokens=job.max_tokens,
            threads=1,
        )


def _lines(written: Sequence[str]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in written).encode("utf-8")


def _read(path: Path) -> list[str]:
    return [str(json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def _schedule(settings: DistillSettings, job: Job) -> Schedule:
    rate, minutes = settings.learning_rate or RATE, settings.max_minutes
    return Schedule(
        epochs=passes(settings).epochs,
        batch_size=settings.batch_size,
        accumulate=1,
        learning_rate=rate,
        head_learning_rate=rate,
        warmup=0.1,
        weight_decay=0.01,
        patience=settings.patience,
        max_seconds=None if minutes is None else minutes * 60,
        seed=job.recipe.seed,
        autocast=devices.autocast_here(job.device),
    )

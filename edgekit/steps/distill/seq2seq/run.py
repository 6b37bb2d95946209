"""The heavy half of `distill` for encoder-decoders: fewer layers learn the teacher's summaries.

"Shrink and fine-tune" on pseudo-summaries: the student keeps the encoder and some layers of the
decoder, and learns the summaries that the teacher writes (Shleifer and Rush 2020, arXiv
2010.13002, sections 3.1 and 3.3).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit.checkpoint import models
from edgekit.checkpoint.layers import keep_seq2seq_layers
from edgekit.data import inputs
from edgekit.data.rows import Row
from edgekit.job.job import Job, OnProgress
from edgekit.steps.distill import schedule
from edgekit.steps.distill.settings import DistillSettings
from edgekit.steps.layers import kept_layers
from edgekit.store.store import PROGRESS
from edgekit.system.digest import sha256_json
from edgekit.system.machine import write_safely
from edgekit.tables import task_part
from edgekit.training import seq2seq

VERSION = 1
SUMMARIES = "summaries.jsonl"
SAVE_EVERY = 100
"""Summaries between two saves; with a large teacher they take a few minutes."""


def run(settings: DistillSettings, job: Job) -> dict[str, Any]:
    """Teaches, writes the student into `job.out`, returns how near it came to the teacher."""
    unlabeled = list(dict.fromkeys(inputs.all_texts(job.dataset.unlabeled)))[: settings.unlabeled]
    texts = [*job.dataset.train, *map(Row.of, unlabeled)]
    judged = job.dataset.validation
    written = pseudo_summaries(job, [*texts, *judged])
    before = job.description
    kept = kept_layers(settings.decoder_layers or before.decoder_layers, before.decoder_layers)
    student = keep_seq2seq_layers(job.checkpoint, encoder=range(before.layers), decoder=kept)
    trained = seq2seq.learn(
        student,
        job,
        seq2seq.lesson(job, texts, written[: len(texts)]),
        validation=seq2seq.lesson(job, judged, written[len(texts) :]),
        schedule=schedule.make(settings, job),
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


def pseudo_summaries(job: Job, rows: Sequence[Row]) -> list[str]:
    """What the teacher writes for each row's text, or for the beginning of one that is too long."""
    directed = {"directions": [row.language for row in rows]} if job.recipe.directions else {}
    inputs = {
        **directed,
        **job.common,
        "teacher": job.teacher_digest,
        "texts": sha256_json([row.text for row in rows]),
        "version": VERSION,
    }

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        return {"texts": _write(job, rows, out, on_progress)}

    done = job.run_stored("pseudo-summaries", inputs, make)
    return _read(done.folder / SUMMARIES)


def _write(job: Job, rows: Sequence[Row], out: Path, on_progress: OnProgress) -> int:
    kept = out / PROGRESS / SUMMARIES
    written = _read(kept) if kept.is_file() else []
    head = task_part(job.recipe.task, "proof.head")
    with closing(head.written(job, rows[len(written) :])) as answers:
        for number, summary in enumerate(answers, start=len(written) + 1):
            written.append(summary)
            if number % SAVE_EVERY == 0:
                kept.parent.mkdir(exist_ok=True)
                write_safely(kept, _lines(written))
            on_progress(number / len(rows))
    write_safely(out / SUMMARIES, _lines(written))
    return len(written)


def _lines(written: Sequence[str]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in written).encode("utf-8")


def _read(path: Path) -> list[str]:
    return [str(json.loads(line)) for line in path.read_text("utf-8").splitlines()]

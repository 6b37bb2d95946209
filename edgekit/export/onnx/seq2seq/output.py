"""The `onnx` output of an encoder-decoder: exports the pair of files, proves and quantizes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.checkpoint.describe import describe
from edgekit.data.spread import spread
from edgekit.export.onnx import candidates
from edgekit.export.onnx.candidates import Candidate, divergence, fastest_near
from edgekit.export.onnx.seq2seq import calibration, proof
from edgekit.job.job import Exported, OnProgress, OutputJob
from edgekit.runtime.numerics import softmax
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.store.store import Finished
from edgekit.system import child

VERSION = 4
PARITY_ROWS_PER_LANGUAGE = 4
SELECTION_ROWS = 100
# A separate process takes seconds to start; a large model's memory is worth that.
APART_FROM_BYTES = 100_000_000


def run(
    tries: Sequence[Candidate], quantization: str, job: OutputJob, *, embeddings: str
) -> Exported:
    """Exports and quantizes through the step store; raises ExportError where the export differs.

    `tries` are the candidates, fastest first; empty for fp32.
    """
    exported = fp32(job)
    parity, generation = exported.record["parity"], exported.record["generation"]
    if not tries:
        return _found(exported.folder, quantization, {"parity": parity}, generation)
    chosen = job.run(
        "onnx-quantize-seq2seq",
        {
            **job.inputs(VERSION),
            "fp32": exported.digest,
            "schemes": [one.name for one in tries],
            "embeddings": embeddings,
        },
        partial(_choose, tries, embeddings, job, exported.folder, generation),
    )
    record = {"parity": parity, **chosen.record["after"]}
    return _found(chosen.folder, quantization, record, generation)


def fp32(job: OutputJob) -> Finished:
    """The pair of files unquantized, proven equal to the checkpoint; with generation settings."""
    return job.run("onnx-export-seq2seq", job.inputs(VERSION), partial(_export, job))


def open_fp32(job: OutputJob) -> Seq2SeqWriter:
    """The checkpoint as its fp32 export, the fastest way to run it."""
    exported = fp32(job)
    return proof.open_pair(
        job, exported.folder, Generation.from_json(exported.record["generation"])
    )


def _found(
    folder: Path, quantization: str, record: dict[str, Any], generation: Mapping[str, Any]
) -> Exported:
    return Exported(
        folder / ENCODER,
        quantization,
        record,
        further=(folder / DECODER,),
        generation=generation,
    )


def _export(job: OutputJob, out: Path, on_progress: OnProgress) -> dict[str, Any]:
    peak = 0
    if describe(job.checkpoint).fp32_bytes < APART_FROM_BYTES:
        # torch and transformers are imported only when something is exported.
        from edgekit.export.onnx.seq2seq import tracing

        tracing.export(job.checkpoint, out)
    else:
        module = "edgekit.export.onnx.seq2seq.tracing"
        request = {"checkpoint": job.checkpoint, "folder": out}
        done = child.ask(module, "export", request, doing="onnx: exporting")
        peak = done["peak_bytes"]
    on_progress(0.6)
    rows = spread(job.rows, PARITY_ROWS_PER_LANGUAGE)
    parity = proof.prove(job, out, rows)
    return {
        "parity": {
            "rows": parity.texts,
            "languages": len({row.language for row in rows}),
            "same": parity.same,
        },
        "generation": parity.generation.as_json(),
        "peak_bytes": peak,
    }


def _choose(
    tries: Sequence[Candidate],
    embeddings: str,
    job: OutputJob,
    unquantized: Path,
    generation: Mapping[str, Any],
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Quantizes every candidate and keeps the fastest that stays nearest to fp32 piece by piece."""
    rows = spread(job.rows, SELECTION_ROWS, total=True)
    settings = Generation.from_json(generation)
    original = proof.open_pair(job, unquantized, settings)
    written = [_written(proof.of_row(job, original, row), row.text) for row in rows]

    def measure(folder: Path, done: candidates.Done) -> dict[str, Any]:
        kl, flips = _distance(original, proof.open_pair(job, folder, settings), written)
        matrices = {name: one["matrices"] for name, one in done.items()}
        return {"kl": round(kl, 8), "flips": flips, "matrices": matrices}

    files = candidates.Files(unquantized, (ENCODER, DECODER), embeddings, out / "seen")
    files.seen.mkdir()
    if any(one.smooth for one in tries):
        calibration.observe(job, unquantized, settings, written, files.seen)
    return candidates.choose(
        tries, files, out, on_progress, measure=measure, best=fastest_near, rows=len(rows)
    )


def _written(writer: Seq2SeqWriter, text: str) -> tuple[list[int], list[int]]:
    """The ids of a text and of the answer to it."""
    ids = writer.first_window(text)
    return ids, writer.pieces(ids)


def _distance(
    original: Seq2SeqWriter,
    candidate: Seq2SeqWriter,
    written: Sequence[tuple[list[int], list[int]]],
) -> tuple[float, int]:
    """Mean divergence, and how often the next piece would differ, along the original's summaries.

    Whole summaries are not a measure: where one piece differs, so does everything after it.
    """
    divergences, flips = [], 0
    for ids, pieces in written:
        wanted = softmax(original.logits(ids, pieces))
        found = softmax(candidate.logits(ids, pieces))
        divergences += [divergence(wanted, found)] * len(pieces)
        flips += int((wanted.argmax(1) != found.argmax(1)).sum())
    return float(np.mean(divergences)), flips

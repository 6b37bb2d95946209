"""A classifier as one ONNX file: exported, proven, quantized. Light until it runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.checkpoint.describe import describe
from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.data.spread import spread
from edgekit.export.onnx import calibration, candidates
from edgekit.export.onnx.candidates import Candidate, fastest_near
from edgekit.export.onnx.proving import refuse_difference
from edgekit.job.job import Exported, OnProgress, OutputJob
from edgekit.runtime.onnx import LOGITS, OnnxClassifier
from edgekit.runtime.scoring import equal, untuned
from edgekit.runtime.tokens import TextTokenizer
from edgekit.system import child

VERSION = 8
MODEL = "model.onnx"
MOST_LOGIT_ERROR = 1e-3
PARITY_ROWS_PER_LANGUAGE = 8
SELECTION_ROWS = 1500
# A separate process takes seconds to start; a large model's memory is worth that.
APART_FROM_BYTES = 100_000_000


def run(tries: Sequence[Candidate], quantize: str, job: OutputJob, *, embeddings: str) -> Exported:
    """Exports and quantizes through the step store; raises ExportError where the export differs.

    `tries` are the candidates, fastest first; empty for fp32.
    """
    inputs = job.inputs(VERSION)
    exported = job.run("onnx-export", inputs, partial(_export, job))
    if not tries:
        return Exported(exported.folder / MODEL, "none", {"parity": exported.record["parity"]})
    chosen = job.run(
        "onnx-quantize",
        {**inputs, "fp32": exported.digest, "quantize": quantize, "embeddings": embeddings},
        partial(_choose, tries, embeddings, job, exported.folder),
    )
    record = {"parity": exported.record["parity"], **chosen.record["after"]}
    return Exported(chosen.folder / MODEL, quantize, record)


def export(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx, fp32, from a classifier's checkpoint."""
    # torch and transformers are imported only when something is exported.
    from edgekit.export.onnx import tracing

    return tracing.export_classifier(checkpoint, folder)


def _export(job: OutputJob, out: Path, on_progress: OnProgress) -> dict[str, Any]:
    path, peak = out / MODEL, 0
    if describe(job.checkpoint).fp32_bytes < APART_FROM_BYTES:
        export(job.checkpoint, out)
    else:
        request = {"checkpoint": job.checkpoint, "folder": out}
        done = child.ask("edgekit.export.onnx.tracing", LOGITS, request, doing="onnx: exporting")
        peak = done["peak_bytes"]
    on_progress(0.6)
    return {"parity": _prove(job, path), "peak_bytes": peak}


def _prove(job: OutputJob, path: Path) -> dict[str, Any]:
    """Compares logits on real rows of every language; raises ExportError beyond 1e-3."""
    # The checkpoint answers through torch.
    from edgekit.training import predict

    rows = spread(job.rows, PARITY_ROWS_PER_LANGUAGE)
    texts = [row.input for row in rows]
    wanted = predict.logits(job.checkpoint, texts, prefix=job.prefix, max_tokens=job.max_tokens)
    found = _answers(job, path, texts)
    errors = np.abs(found - wanted).max(axis=1)
    refuse_difference(errors, list(map(inputs.shown, texts)), what="logits", most=MOST_LOGIT_ERROR)
    return {"rows": len(rows), "languages": len({row.language for row in rows})}


def _choose(
    tries: Sequence[Candidate],
    embeddings: str,
    job: OutputJob,
    fp32: Path,
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Quantizes every candidate and keeps the fastest whose answers stay nearest to fp32's."""
    texts = [row.input for row in spread(job.rows, SELECTION_ROWS, total=True)]
    said = describe(job.checkpoint)
    scoring = untuned(len(said.labels or ()), several=said.several_labels)
    wanted = _answers(job, fp32 / MODEL, texts)

    def measure(folder: Path, done: candidates.Done) -> dict[str, Any]:
        found = _answers(job, folder / MODEL, texts)
        return {
            "kl": round(float(scoring.divergence(wanted, found).mean()), 8),
            "flips": int((~equal(scoring.given(wanted), scoring.given(found))).sum()),
        }

    files = candidates.Files(fp32, (MODEL,), embeddings, out / "seen")
    files.seen.mkdir()
    # int4 has a scale for every few inputs: there is nothing to smooth.
    if any(one.smooth for one in tries):
        calibration.observe(job, fp32 / MODEL, texts, files.seen)
    return candidates.choose(
        tries, files, out, on_progress, measure=measure, best=fastest_near, rows=len(texts)
    )


def _answers(job: OutputJob, path: Path, texts: Sequence[Input]) -> np.ndarray:
    """Logits of shape (texts, labels) from the same runtime that will answer users."""
    encoder = TextTokenizer(
        job.checkpoint / "tokenizer.json", prefix=job.prefix, max_tokens=job.max_tokens
    )
    with OnnxClassifier(path.read_bytes, encoder) as model:
        return np.stack([logits for logits, _ in model.map(texts)])

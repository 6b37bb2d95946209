"""An encoder without a head as one ONNX file: exported, proven, quantized. Light until it runs.

Such a model gives directions: candidates are compared with fp32 by their cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.checkpoint.describe import describe
from edgekit.data.sentences import flat, spans
from edgekit.data.spread import spread
from edgekit.export.onnx import calibration, candidates
from edgekit.export.onnx.candidates import Candidate, fastest_close
from edgekit.export.onnx.proving import refuse_difference
from edgekit.job.job import Exported, OnProgress, OutputJob
from edgekit.runtime.onnx import EMBEDDING, OnnxModel
from edgekit.runtime.tokens import TextTokenizer
from edgekit.system import child

VERSION = 5
MODEL = "model.onnx"
MOST_ERROR = 1e-3
PARITY_SENTENCES_PER_LANGUAGE = 8
SELECTION_SENTENCES = 800
APART_FROM_BYTES = 100_000_000


def run(tries: Sequence[Candidate], quantize: str, job: OutputJob, *, embeddings: str) -> Exported:
    """Through the step store; raises ExportError where the export's vectors differ."""
    inputs = job.inputs(VERSION)
    exported = job.run("onnx-export-encoder", inputs, partial(_export, job))
    if not tries:
        return Exported(exported.folder / MODEL, "none", {"parity": exported.record["parity"]})
    chosen = job.run(
        "onnx-quantize-encoder",
        {**inputs, "fp32": exported.digest, "quantize": quantize, "embeddings": embeddings},
        partial(_choose, tries, embeddings, job, exported.folder),
    )
    record = {"parity": exported.record["parity"], **chosen.record["after"]}
    return Exported(chosen.folder / MODEL, quantize, record)


def _export(job: OutputJob, out: Path, on_progress: OnProgress) -> dict[str, Any]:
    peak = 0
    if describe(job.checkpoint).fp32_bytes < APART_FROM_BYTES:
        # torch and transformers are imported only when something is exported.
        from edgekit.export.onnx import tracing

        tracing.export_encoder(job.checkpoint, out)
    else:
        request = {"checkpoint": job.checkpoint, "folder": out}
        done = child.ask("edgekit.export.onnx.tracing", EMBEDDING, request, doing="onnx: exporting")
        peak = done["peak_bytes"]
    on_progress(0.6)
    return {"parity": _prove(job, out / MODEL), "peak_bytes": peak}


def _prove(job: OutputJob, path: Path) -> dict[str, Any]:
    """Compares vectors of real sentences of every language; raises ExportError beyond 1e-3."""
    # The checkpoint answers through torch.
    from edgekit.training import predict

    rows = spread(job.rows, PARITY_SENTENCES_PER_LANGUAGE)
    texts = [_first_sentence(row.text) for row in rows]
    wanted = predict.embeddings(job.checkpoint, texts, prefix=job.prefix, max_tokens=job.max_tokens)
    errors = np.abs(vectors(job, path, texts) - wanted).max(axis=1)
    refuse_difference(errors, texts, what="vectors", most=MOST_ERROR)
    return {"rows": len(rows), "languages": len({row.language for row in rows})}


def _first_sentence(text: str) -> str:
    first = spans(text)[0]
    return flat(text[first.start : first.end])


def _choose(
    tries: Sequence[Candidate],
    embeddings: str,
    job: OutputJob,
    fp32: Path,
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Quantizes every candidate and keeps the fastest whose vectors stay nearest to fp32's."""
    rows = spread(job.rows, SELECTION_SENTENCES, total=True)
    texts = [_first_sentence(row.text) for row in rows]
    wanted = _units(vectors(job, fp32 / MODEL, texts))

    def measure(folder: Path, done: candidates.Done) -> dict[str, Any]:
        found = _units(vectors(job, folder / MODEL, texts))
        return {"distance": round(float(1 - (wanted * found).sum(axis=1).mean()), 8)}

    files = candidates.Files(fp32, (MODEL,), embeddings, out / "seen")
    files.seen.mkdir()
    # int4 has a scale for every few inputs: there is nothing to smooth.
    if any(one.smooth for one in tries):
        calibration.observe(job, fp32 / MODEL, texts, files.seen)
    return candidates.choose(
        tries, files, out, on_progress, measure=measure, best=fastest_close, rows=len(texts)
    )


def vectors(job: OutputJob, path: Path, texts: Sequence[str]) -> np.ndarray:
    """Of shape (texts, width), float32, from the same runtime that will answer users."""
    encoder = TextTokenizer(
        job.checkpoint / "tokenizer.json", prefix=job.prefix, max_tokens=job.max_tokens
    )
    with OnnxModel(path.read_bytes, encoder, output=EMBEDDING) as model:
        return np.stack([vector for vector, _ in model.map(texts)])


def _units(found: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(norms, 1e-12), dtype=np.float64)

"""The `onnx` output: exports a checkpoint, proves the export, quantizes it. Light until it runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from edgekit.checkpoint.describe import describe
from edgekit.data.spread import spread
from edgekit.export.onnx import encoder
from edgekit.export.onnx.candidates import divergence, fastest_near
from edgekit.export.onnx.proving import refuse_difference
from edgekit.export.onnx.seq2seq import output as seq2seq
from edgekit.job.cost import Cost
from edgekit.job.job import Exported, OnProgress, OutputJob, Planned
from edgekit.recipe.settings import Settings
from edgekit.runtime.onnx import LOGITS, OnnxClassifier
from edgekit.runtime.tokens import TextEncoder
from edgekit.system.child import run_apart
from edgekit.tasks.classification.answer import softmax

VERSION = 4
# int8 has two schemes that answer alike on every CPU; which loses less depends on the model, and
# the first is the faster one: 1.2 to 1.3 times without VNNI, 1.6 times with it.
CANDIDATES = {"none": (), "int8": ("s8", "u8"), "int4": ("int4",)}
MOST_LOGIT_ERROR = 1e-3
PARITY_ROWS_PER_LANGUAGE = 8
SELECTION_ROWS = 1500
# A process of its own takes seconds to start; a large model's memory is worth that.
APART_FROM_BYTES = 100_000_000


class OnnxSettings(Settings):
    """One ONNX file that onnxruntime answers from on any CPU."""

    quantize: Literal["none", "int8", "int4"] = "int8"
    """Bits of the weights: int8 is the fastest, int4 smaller and slower, none is fp32."""
    embeddings: Literal["int8", "int4"] = "int8"
    """Bits of the word embeddings, which are looked up: int4 takes 0.56 bytes a weight, not 1."""

    @model_validator(mode="after")
    def _embeddings_need_a_scheme(self) -> Self:
        if self.quantize == "none" and self.embeddings != "int8":
            raise ValueError(
                "embeddings|says how to quantize, but 'quantize' is none; remove one of the two"
            )
        return self


SETTINGS = OnnxSettings


def cost(settings: OnnxSettings, planned: Planned) -> Cost:
    """Tracing and writing fp32, quantizing each candidate, and answering validation rows."""
    rates, fp32 = planned.rates, planned.description.fp32_bytes
    embeddings = 4 * planned.description.embedding_parameters
    candidates = len(CANDIDATES[settings.quantize])
    rows = min(SELECTION_ROWS, max(1, len(planned.dataset.validation)))
    tokens = planned.tokens.validation * rows / max(1, len(planned.dataset.validation))
    return Cost(
        seconds=4 * fp32 * rates.write_seconds_per_byte
        + candidates * 3 * fp32 * rates.write_seconds_per_byte
        + (1 + candidates) * tokens * rates.forward_seconds_per_token,
        # Tracing holds all but the word embeddings three times more; the engine holds all twice.
        peak_bytes=rates.torch_bytes + max(fp32 + 3 * (fp32 - embeddings), 2 * fp32),
        disk_bytes=fp32 + candidates * fp32 // 3,
    )


def run(settings: OnnxSettings, job: OutputJob) -> Exported:
    """Exports and quantizes through the step store; raises ExportError where the export differs."""
    if describe(job.checkpoint).is_writer:
        return seq2seq.run(
            CANDIDATES[settings.quantize], settings.quantize, job, embeddings=settings.embeddings
        )
    if job.task == "summarization":
        return encoder.run(
            CANDIDATES[settings.quantize], settings.quantize, job, embeddings=settings.embeddings
        )
    inputs = job.inputs(VERSION)
    exported = job.run("onnx-export", inputs, partial(_export, job))
    fp32 = exported.folder / "model.onnx"
    if settings.quantize == "none":
        return Exported(fp32, "none", {"parity": exported.record["parity"]})
    chosen = job.run(
        "onnx-quantize",
        {**inputs, "fp32": exported.digest, **settings.model_dump()},
        partial(_choose, settings, job, fp32),
    )
    record = {"parity": exported.record["parity"], **chosen.record["after"]}
    return Exported(chosen.folder / "model.onnx", settings.quantize, record)


def export(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx, fp32, from a classifier's checkpoint."""
    # optimum, torch and transformers come only when something is exported.
    from edgekit.export.onnx import tracing

    return tracing.export_classifier(checkpoint, folder)


def _export(job: OutputJob, out: Path, on_progress: OnProgress) -> dict[str, Any]:
    path, peak = out / "model.onnx", 0
    if describe(job.checkpoint).fp32_bytes < APART_FROM_BYTES:
        export(job.checkpoint, out)
    else:
        done = run_apart(
            "edgekit.export.onnx.tracing", job.checkpoint, out, LOGITS, doing="exporting"
        )
        peak = done["peak_bytes"]
    on_progress(0.6)
    return {"parity": _prove(job, path), "peak_bytes": peak}


def _prove(job: OutputJob, path: Path) -> dict[str, Any]:
    """Compares logits on real rows of every language; raises ExportError beyond 1e-3."""
    # The checkpoint answers through torch.
    from edgekit.training import predict

    rows = spread(job.rows, PARITY_ROWS_PER_LANGUAGE)
    texts = [row.text for row in rows]
    wanted = predict.logits(job.checkpoint, texts, prefix=job.prefix, max_tokens=job.max_tokens)
    found = _answers(job, path, texts)
    errors = np.abs(found - wanted).max(axis=1)
    refuse_difference(errors, texts, what="logits", most=MOST_LOGIT_ERROR)
    return {"rows": len(rows), "languages": len({row.language for row in rows})}


def _choose(
    settings: OnnxSettings, job: OutputJob, fp32: Path, out: Path, on_progress: OnProgress
) -> dict[str, Any]:
    """Quantizes every candidate and keeps the fastest whose answers stay nearest to fp32's."""
    texts = [row.text for row in spread(job.rows, SELECTION_ROWS, total=True)]
    wanted = softmax(_answers(job, fp32, texts))
    schemes = CANDIDATES[settings.quantize]
    tried, peaks = [], []
    for number, scheme in enumerate(schemes):
        path = out / f"{scheme}.onnx"
        done = run_apart(
            "edgekit.export.onnx.quantize",
            fp32,
            path,
            scheme,
            settings.embeddings,
            doing=f"quantizing to {scheme}",
        )
        found = softmax(_answers(job, path, texts))
        tried.append(
            {
                "scheme": scheme,
                "embeddings": done["embeddings"],
                "kl": round(divergence(wanted, found), 8),
                "flips": int((wanted.argmax(1) != found.argmax(1)).sum()),
                "size_bytes": done["size_bytes"],
            }
        )
        peaks.append(done["peak_bytes"])
        on_progress((number + 1) / len(schemes))
    best = fastest_near(tried)
    (out / f"{best['scheme']}.onnx").rename(out / "model.onnx")
    for scheme in schemes:
        (out / f"{scheme}.onnx").unlink(missing_ok=True)
    return {
        "after": {
            "scheme": best["scheme"],
            "embeddings": best["embeddings"],
            "rows": len(texts),
            "tried": tried,
        },
        "peak_bytes": max(peaks),
    }


def _answers(job: OutputJob, path: Path, texts: Sequence[str]) -> np.ndarray:
    """Logits of shape (texts, labels) through the very runtime that will answer for users."""
    encoder = TextEncoder(
        job.checkpoint / "tokenizer.json", prefix=job.prefix, max_tokens=job.max_tokens
    )
    with OnnxClassifier(path.read_bytes, encoder) as model:
        return np.stack([logits for logits, _ in model.map(texts)])

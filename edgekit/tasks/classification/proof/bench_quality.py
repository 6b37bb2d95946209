"""The quality of the artifact and of optimum's int8 on labelled rows, each against the teacher.
Times nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import edgekit
from edgekit.artifact.manifest import Manifest
from edgekit.bench import exports
from edgekit.bench.exports import PACKAGES
from edgekit.data.inputs import Input
from edgekit.data.rows import Row, told_language
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
from edgekit.store.store import Store
from edgekit.system.digest import sha256_file, sha256_folder, sha256_json
from edgekit.tasks.classification.proof import teacher_labels
from edgekit.tasks.classification.proof.quality import judge_artifact


def quality(store: Store, folder: Path, rows: Sequence[Row], *, against: Path) -> dict[str, Any]:
    """Macro-F1 of every side, and the share of the teacher's that the other two keep.

    Answers of the teacher and of optimum's int8 are kept in the store: they are the same for every
    artifact of this teacher.
    """
    # torch
    from edgekit.training import predict

    texts = [row.input for row in rows]
    with edgekit.load(folder) as model:
        manifest = model.manifest
        artifact = np.stack(list(model.logits(texts)))
    spec, order = manifest.model, teacher_labels.order(against, manifest)
    teacher = _kept(
        store,
        {"checkpoint": sha256_folder(against)},
        manifest,
        texts,
        partial(predict.logits, against, texts, prefix=spec.prefix, max_tokens=spec.max_tokens),
    )[:, order]
    rows = told_language(rows, manifest.languages)
    judged = judge_artifact(manifest, rows, artifact, teacher)
    result = {"rows": judged["rows"], "teacher": _short(judged["teacher"])}
    result["artifact"] = {**_kept_of(judged), "verdict": judged["verdict"]}
    optimum = exports.optimum_int8(store, against)
    found = _kept(
        store,
        {"model": sha256_file(optimum)},
        manifest,
        texts,
        partial(_run, optimum, against / TOKENIZER, manifest, texts),
    )[:, order]
    result["optimum_int8"] = _kept_of(judge_artifact(manifest, rows, found, teacher))
    return result


def _kept(
    store: Store,
    side: Mapping[str, str],
    manifest: Manifest,
    texts: Sequence[Input],
    answer: Callable[[], np.ndarray],
) -> np.ndarray:
    """Logits of shape (texts, labels), from the store or computed now."""
    inputs = {
        **side,
        "prefix": manifest.model.prefix,
        "max_tokens": manifest.model.max_tokens,
        "texts": sha256_json(list(texts)),
        "packages": {package: metadata.version(package) for package in PACKAGES},
    }

    def make(folder: Path) -> Mapping[str, Any]:
        np.save(folder / "logits.npy", answer(), allow_pickle=False)
        return {}

    done = store.run("bench-answers", inputs, make)
    return np.asarray(np.load(done.folder / "logits.npy", allow_pickle=False))


def _run(model: Path, tokenizer: Path, manifest: Manifest, texts: Sequence[Input]) -> np.ndarray:
    """Runs one text at a time, which gives dynamic int8 its best answers."""
    spec = manifest.model
    encoder = TextTokenizer(tokenizer, prefix=spec.prefix, max_tokens=spec.max_tokens)
    with OnnxClassifier(model.read_bytes, encoder) as engine:
        return np.stack([logits for logits, _ in engine.map(texts)])


def _kept_of(judged: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_short(judged["artifact"]),
        "kept": judged["kept"],
        "worst_language": judged["worst_language"],
        "agreement": judged["agreement"],
    }


def _short(side: Mapping[str, Any]) -> dict[str, Any]:
    return {"accuracy": side["accuracy"], "macro_f1": side["macro_f1"]}

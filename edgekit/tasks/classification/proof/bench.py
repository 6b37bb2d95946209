"""What `edgekit bench` measures and shows of a classifier, compared with its teacher in PyTorch and
in ONNX, and with optimum's int8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.bench import exports, table
from edgekit.bench.asked import Asked, OnProgress
from edgekit.bench.child import SidePlan
from edgekit.bench.measure import measure, torch_plan
from edgekit.bench.table import Table
from edgekit.data.label_sets import COLUMN
from edgekit.data.records import READERS
from edgekit.data.rows import Row, read_rows, stream_records
from edgekit.errors import EdgekitError
from edgekit.runtime.tokens import TOKENIZER
from edgekit.store.store import Store
from edgekit.system import paths
from edgekit.tasks.classification.proof.bench_quality import quality

MAX_TEXTS = 200
_SIDES = "edgekit.tasks.classification.proof.sides"


def run(asked: Asked, *, on_progress: OnProgress) -> dict[str, Any]:
    """What `bench --json` prints."""
    if asked.baseline and asked.against is None:
        raise EdgekitError("--baseline compares with a teacher; name it with --against.")
    if asked.baseline and asked.quick:
        raise EdgekitError("--baseline takes minutes; leave out one of --baseline and --quick.")
    rows = _rows(asked.data) if asked.baseline else []
    share = 0.8 if rows else 1.0
    with Store(paths.store_dir()) as store:
        result = measure(
            asked,
            asked.texts(),
            sides=_SIDES,
            most=MAX_TEXTS,
            teacher=partial(_teacher, asked=asked, store=store),
            on_progress=lambda fraction: on_progress(share * fraction),
        )
        if asked.against is not None and rows:
            result["quality"] = quality(store, asked.artifact, rows, against=asked.against)
    return result


def _rows(data: Path | None) -> list[Row]:
    """The labelled rows of the data; none if it has no labels."""
    if data is None or data.suffix.lower() not in READERS:
        return []
    labelled = {"label", COLUMN} & set(next(iter(stream_records(data))))
    return read_rows(data) if labelled else []


def _teacher(artifact: Artifact, checkpoint: Path, *, asked: Asked, store: Store) -> list[SidePlan]:
    """The teacher in PyTorch; unless it is to be quick, in ONNX; and on request optimum's int8."""
    torch = torch_plan(checkpoint, artifact.manifest, _SIDES, threads=asked.threads)
    tokenizer_bytes = (checkpoint / TOKENIZER).stat().st_size

    def exported(name: str, model: Path) -> SidePlan:
        size = model.stat().st_size
        request = {**torch.request, "model": model}
        return SidePlan(_SIDES, name, request, size, size + tokenizer_bytes)

    plans = [torch]
    if not asked.quick:
        plans.append(exported("ort_fp32", exports.fp32(store, checkpoint)))
    if asked.baseline:
        plans.append(exported("optimum_int8", exports.optimum_int8(store, checkpoint)))
    return plans


def shown(result: Mapping[str, Any]) -> Iterator[Table | str]:
    yield table.of_texts(
        {
            "p50": lambda one: f"{one['p50_ms']:.1f} ms",
            "p95": lambda one: f"{one['p95_ms']:.1f} ms",
            "CPU": lambda one: f"{one['cpu_ms']:.1f} ms",
            "texts/s": lambda one: f"{one['texts_per_s']:,.0f}",
            "cold": lambda one: f"{one['cold_start_ms']:,.0f} ms",
        },
        result,
    )
    if ratio := result.get("ratio"):
        yield (
            f"\nThe artifact is {ratio['size']:.1f} times smaller, {ratio['torch_fp32']:.1f} times "
            f"as fast as the teacher in PyTorch and {ratio['ort_fp32']:.1f} times as fast as it in "
            "ONNX Runtime."
        )
        if "optimum_int8" in ratio:
            yield (
                f"Than optimum's int8 of the same teacher it is {ratio['size_optimum_int8']:.1f} "
                f"times smaller and {ratio['optimum_int8']:.1f} times as fast."
            )
    if "quality" in result:
        yield table.of_sides(
            f"\nQuality on {result['quality']['rows']:,} labelled rows",
            {
                "macro-F1": lambda one: f"{100 * one['macro_f1']:.1f} %",
                "of the teacher's": _kept,
                "worst language": lambda one: _kept(one.get("worst_language") or {}),
            },
            result["quality"],
        )


def _kept(one: Mapping[str, Any]) -> str:
    """The share kept by a side, or in its worst language."""
    return f"{one.get('language', '')} {100 * one['kept']:.1f} %".strip() if "kept" in one else ""

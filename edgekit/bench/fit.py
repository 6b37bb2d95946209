"""Whether an artifact suits a machine: its memory, and the speed to expect with what it rests on.

Memory is what a load would need. Speed is measured here and, for another machine, multiplied by how
much longer that took for the same operators, so that nothing is concluded from sizes alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.bench.probe import Decoding, Probe
from edgekit.runtime.memory import context_of, needed_bytes
from edgekit.system import child

SECONDS = 3.0
"""For the speed of one artifact."""
MEASURED = "measured here, with {threads} threads"
SCALED = (
    "measured here, {times:.2f} times as fast there by {what} of both machines, with {threads} "
    "threads"
)
NO_LLAMA = "none: llama.cpp was not measured on both machines (pip install 'edgekit[gguf]')"
NO_OPERATORS = "none: the two machines measured no operator alike; probe both with one edgekit"
TOO_LARGE = "none: it does not fit into this machine's memory, where it would be measured"
_OPERATORS = {"int8": "MatMulInteger", "int4": "MatMulInteger"}
"""By the quantization of an ONNX file; others are of floats."""
_SPEEDS = ("ms_per_answer", "prompt_tokens_per_s", "tokens_per_s")


@dataclass(frozen=True, slots=True)
class Fit:
    name: str
    path: str
    context: int | None
    """In tokens; None where a model has no KV cache."""
    needed_bytes: int
    available_bytes: int
    fits: bool
    speed: Mapping[str, float]
    """`ms_per_answer` of golden inputs, or a GGUF's `prompt_tokens_per_s` and `tokens_per_s`;
    empty where nothing can be said."""
    basis: str
    verify: str
    """The command that measures it on the machine itself."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def here(artifact: Artifact, machine: Probe, *, context: int | None = None) -> Fit:
    """On this machine, which `machine` describes; `context` counts where there is a KV cache."""
    context = _cached(artifact, context)
    return _fit(artifact, machine, context, _pace(artifact, machine, context), MEASURED)


def there(artifact: Artifact, target: Probe, own: Probe, *, context: int | None = None) -> Fit:
    """On the machine that `target` describes, from what it does on this one."""
    decodes, context = artifact.manifest.model.format == "gguf", _cached(artifact, context)
    if decodes and (target.decoding is None or own.decoding is None):
        return _fit(artifact, target, context, {}, NO_LLAMA)
    pace = _pace(artifact, own, context)
    if target.decoding is not None and own.decoding is not None and decodes:
        ratios = _decoding_ratios(target.decoding, own.decoding)
        what = "llama.cpp's speed with one decoder"
    else:
        kind = _OPERATORS.get(artifact.manifest.model.quantization, "MatMul")
        times = faster(target, own, kind)
        if times is None:
            return _fit(artifact, target, context, {}, NO_OPERATORS)
        ratios = {"ms_per_answer": 1 / times}
        what = f"{kind} and attention"
    speed = {name: value * ratios[name] for name, value in pace.items()}
    most = ratios.get("tokens_per_s") or 1 / ratios["ms_per_answer"]
    return _fit(artifact, target, context, speed, SCALED.format(
        times=most, what=what, threads="{threads}"))  # fmt: skip


def _cached(artifact: Artifact, context: int | None) -> int | None:
    return context if artifact.manifest.model.format == "gguf" else None


def faster(target: Probe, own: Probe, kind: str) -> float | None:
    """How many times as fast `target` is: the geometric mean over the operators of a kind and over
    attention that both measured; None where there are none.
    """
    mine = {(one.kind, one.shape): one.us for one in own.operators}
    ratios = [
        mine[one.kind, one.shape] / one.us
        for one in target.operators
        if one.kind in (kind, "attention") and (one.kind, one.shape) in mine
    ]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def _decoding_ratios(target: Decoding, own: Decoding) -> dict[str, float]:
    return {
        "prompt_tokens_per_s": target.prompt_tokens_per_s / own.prompt_tokens_per_s,
        "tokens_per_s": target.tokens_per_s / own.tokens_per_s,
    }


def _pace(artifact: Artifact, machine: Probe, context: int | None) -> dict[str, float]:
    """What it does on this machine; nothing where it does not fit."""
    if needed_bytes(artifact.manifest, context=context) > machine.available_bytes:
        return {}
    request = {
        "folder": str(artifact.folder),
        "threads": machine.threads,
        "context": context,
        "seconds": SECONDS,
    }
    doing = f"measuring '{artifact.manifest.name}'"
    found = child.ask("edgekit.bench.pace", "measure", request, doing=doing)
    return {name: float(found[name]) for name in _SPEEDS if name in found}


def _fit(
    artifact: Artifact,
    machine: Probe,
    context: int | None,
    speed: Mapping[str, float],
    basis: str,
) -> Fit:
    manifest = artifact.manifest
    needed = needed_bytes(manifest, context=context)
    has_cache = manifest.model.format == "gguf"
    if not speed and basis not in (NO_LLAMA, NO_OPERATORS):
        basis = TOO_LARGE
    return Fit(
        name=manifest.name,
        path=str(artifact.folder),
        context=context_of(manifest, context) if has_cache else None,
        needed_bytes=needed,
        available_bytes=machine.available_bytes,
        fits=needed <= machine.available_bytes,
        speed={name: round(value, 2) for name, value in speed.items()},
        basis=basis.format(threads=machine.threads),
        verify=f"edgekit bench {artifact.folder} --threads {machine.threads}",
    )

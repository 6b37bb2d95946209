"""A build's outcome: verdicts and targets, measured.json and the report. Builds nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.build import report
from edgekit.build.report import Reported, ReportedOutput
from edgekit.checkpoint.describe import describe
from edgekit.job.plan import Plan
from edgekit.judging.judged import Judged
from edgekit.system import machine
from edgekit.system.disk import told_when_full
from edgekit.tables import task_part
from edgekit.tasks.quality import VERDICTS, Verdict


@dataclass(frozen=True, slots=True)
class StepTaken:
    """What an entry of the store cost when it was made, without the entries made inside it."""

    of: int
    """Index in the plan's steps of the work that it is part of."""
    seconds: float
    peak_bytes: int
    reused: bool


@dataclass(frozen=True, slots=True)
class BuiltArtifact:
    """One artifact, its verdict, and the targets that it misses."""

    path: Path
    format: str
    quantization: str
    size_bytes: int
    verdict: Verdict | None
    missed: tuple[str, ...]
    manifest: dict[str, Any]
    flips: Sequence[Mapping[str, str]]
    latency: dict[str, float]
    measured: Mapping[str, Any]
    """What else its task measured on this machine."""

    def as_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "format": self.format,
            "quantization": self.quantization,
            "size_bytes": self.size_bytes,
            "verdict": self.verdict,
            "missed_targets": list(self.missed),
        }


@dataclass(frozen=True, slots=True)
class Built:
    """Everything that one run left in its output folder."""

    name: str
    out: Path
    teacher: Path
    artifacts: tuple[BuiltArtifact, ...]
    steps: tuple[StepTaken, ...]
    estimates: list[dict[str, Any]]
    seconds: float
    peak_rss_bytes: int
    smoke: bool

    @property
    def verdict(self) -> Verdict | None:
        return worst([one.verdict for one in self.artifacts])

    def as_json(self) -> dict[str, Any]:
        """What `compress --json` prints."""
        return {
            "name": self.name,
            "teacher": str(self.teacher),
            "artifacts": [one.as_json() for one in self.artifacts],
            "verdict": self.verdict,
            "seconds": round(self.seconds, 1),
            "peak_rss_bytes": self.peak_rss_bytes,
            "smoke": self.smoke,
        }


def judge(plan: Plan, artifact: Artifact, judged: Judged) -> BuiltArtifact:
    """Checks a written artifact against `must` (in its manifest already) and `target`."""
    manifest = artifact.manifest.as_json()
    rows = plan.dataset.test or plan.dataset.validation
    latency = task_part(plan.bound.recipe.task, "proof.judge").latency(artifact, rows)
    missed = () if plan.smoke else tuple(_missed(plan, manifest, latency))
    verdict = manifest["quality"].get("verdict")
    return BuiltArtifact(
        path=artifact.folder,
        format=manifest["model"]["format"],
        quantization=manifest["model"]["quantization"],
        size_bytes=manifest["needs"]["disk_bytes"],
        verdict="FAIL" if missed else verdict,
        missed=missed,
        manifest=manifest,
        flips=judged.flips,
        latency=latency,
        measured=judged.measured,
    )


def worst(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """The worst verdict of several; None where nothing was asked."""
    return next((verdict for verdict in VERDICTS if verdict in verdicts), None)


def write(built: Built) -> None:
    """Leaves measured.json and report.html beside the artifacts. OutOfDisk."""
    measured = {
        "name": built.name,
        "seconds": round(built.seconds, 2),
        "peak_rss_bytes": built.peak_rss_bytes,
        "steps": compared(built),
        "artifacts": [
            {**one.as_json(), "latency": one.latency, **one.measured} for one in built.artifacts
        ],
    }
    data = json.dumps(measured, indent=2, ensure_ascii=False).encode("utf-8")
    with told_when_full("the report", built.out, elsewhere="--out"):
        machine.write_safely(built.out / "measured.json", data)
        report.write(built.out / "report.html", _reported(built))


def _reported(built: Built) -> Reported:
    """The build in the form that the report shows."""
    outputs = [
        ReportedOutput(
            manifest=one.manifest,
            flips=one.flips,
            missed=one.missed,
            latency=one.latency or None,
            measured=one.measured,
        )
        for one in built.artifacts
    ]
    return Reported(
        name=built.name,
        outputs=outputs,
        teacher_bytes=describe(built.teacher).fp32_bytes,
        work=compared(built),
        seconds=built.seconds,
        peak_rss_bytes=built.peak_rss_bytes,
        smoke=built.smoke,
    )


def compared(built: Built) -> list[dict[str, Any]]:
    """For each planned piece of work, its estimate and what it took when it was made."""
    lines = []
    for number, estimate in enumerate(built.estimates):
        parts = [one for one in built.steps if one.of == number]
        lines.append(
            {
                "step": estimate["step"],
                "estimated": {key: estimate[key] for key in ("seconds", "peak_bytes")},
                "took": {
                    "seconds": round(sum(one.seconds for one in parts), 2),
                    "peak_bytes": max((one.peak_bytes for one in parts), default=0),
                },
                "reused": all(one.reused for one in parts),
            }
        )
    return lines


def _missed(plan: Plan, manifest: dict[str, Any], latency: dict[str, float]) -> list[str]:
    """A sentence for every target that the artifact misses."""
    target, needs = plan.bound.recipe.target, manifest["needs"]
    missed = []
    if target.size is not None and needs["disk_bytes"] > target.size:
        missed.append(
            f"size: {needs['disk_bytes'] / 1e6:.1f} MB where {target.size / 1e6:.1f} MB are asked"
        )
    if target.ram is not None and needs["ram_bytes"] > target.ram:
        missed.append(
            f"ram: {needs['ram_bytes'] / 1e6:.0f} MB where {target.ram / 1e6:.0f} MB are asked"
        )
    asked = target.latency_p95
    if asked is not None and latency and latency["p95_ms"] > asked * 1000:
        missed.append(
            f"latency_p95: {latency['p95_ms']:.1f} ms where {asked * 1000:.1f} ms are asked"
        )
    return missed

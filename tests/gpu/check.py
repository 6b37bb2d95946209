"""Compares what a GPU computes with this machine's CPU: `python -m tests.gpu.check [--out FOLDER]`.

Every check runs in a process of its own, so that one that ends in native code ends alone, and is
stopped when the time of all is up. Prints a table; exits 1 if something differs, 2 without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from edgekit.system import devices
from tests.gpu import builds, decoding, trainings
from tests.gpu.findings import Finding, failed, skipped, table

MINUTES = 8.0
_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Check:
    shows: str
    run: Callable[[str, Path, Path | None], list[Finding]]
    """Takes the device, an empty folder and the sample's folder."""
    sample: str | None = None
    """Whose folder it takes, if there is one."""


def _half(device: str, folder: Path, _: Path | None, *, precision: str) -> list[Finding]:
    return trainings.in_half_precision(device, folder, precision)


CHECKS = {
    "bf16": Check(
        "training in bf16 learns what fp32 on the CPU does", partial(_half, precision="bf16")
    ),
    "fp16": Check(
        "so does fp16, whose gradients are scaled", partial(_half, precision="fp16")
    ),
    "memory": Check(
        "a batch that is too large is halved until it fits, and the update stays the same",
        lambda device, folder, _: trainings.where_memory_is_small(device, folder),
    ),
    "llama.cpp": Check(
        "its CUDA build answers as on the CPU, and how much faster", decoding.gguf, "smollm2"
    ),
    "decoder": Check(
        "importance and GPTQ with the GPU visible lose no more than without", builds.decoder,
        "smollm2",
    ),
    "classifier": Check(
        "finetune and distill with --device cuda make as good an artifact", builds.classifier,
        "home-intents",
    ),
    "two ranks": Check(
        "two GPUs that share every batch train what one does", builds.in_two_processes
    ),
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda",
                        help="cpu tries the checks themselves")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument(
        "--samples",
        type=Path,
        default=Path("gpu"),
        metavar="FOLDER",
        help="of home-intents and smollm2, as `edgekit sample` leaves them",
    )
    parser.add_argument("--out", type=Path, help="where findings.json goes")
    parser.add_argument("--only", nargs="+", choices=list(CHECKS), default=list(CHECKS))
    parser.add_argument("--one", choices=list(CHECKS), help=argparse.SUPPRESS)
    settings = parser.parse_args(arguments)
    if settings.one is not None:
        print(json.dumps([asdict(one) for one in _here(settings.one, settings)]))
        return 0
    gpu = devices.find_gpu() if settings.device == "cuda" else None
    if settings.device == "cuda" and gpu is None:
        print(
            "check-gpu: torch finds no GPU here, and there is nothing to compare; run this where "
            "`edgekit doctor` names one.",
            file=sys.stderr,
        )
        return 2
    print(f"The CPU beside {'the CPU itself' if gpu is None else gpu.name}\n")
    ends = time.monotonic() + 60 * settings.minutes
    found = []
    for name in settings.only:
        findings = _apart(name, settings, seconds=ends - time.monotonic())
        found.append((name, findings))
        if settings.out is not None:
            # After each: what was found must not hang on the next one.
            settings.out.mkdir(parents=True, exist_ok=True)
            told = {check: [asdict(one) for one in findings] for check, findings in found}
            (settings.out / "findings.json").write_text(json.dumps(told, indent=1) + "\n")
        print(f"{name}: {CHECKS[name].shows}", flush=True)
    print(f"\n{table(found)}")
    return 1 if any(one.failed for _, findings in found for one in findings) else 0


def _sample(check: Check, settings: argparse.Namespace) -> Path | None:
    if check.sample is None:
        return None
    folder = Path(settings.samples) / check.sample
    return folder.resolve() if (folder / "sample.json").exists() else None


def _here(name: str, settings: argparse.Namespace) -> list[Finding]:
    check = CHECKS[name]
    with tempfile.TemporaryDirectory() as folder:
        return check.run(settings.device, Path(folder), _sample(check, settings))


def _apart(name: str, settings: argparse.Namespace, *, seconds: float) -> list[Finding]:
    if seconds <= 0:
        return skipped("the time of all checks was up")
    samples = str(settings.samples.resolve())
    words = ["--one", name, "--device", settings.device, "--samples", samples]
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.gpu.check", *words],
            capture_output=True, text=True, check=False, timeout=seconds, cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return failed(f"stopped after {seconds:.0f} s: the time of all checks was up")
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return failed(f"exit code {done.returncode}: {said[-1] if said else 'no word'}")
    findings = [Finding(**one) for one in json.loads(done.stdout.splitlines()[-1])]
    took = f"{time.monotonic() - began:.0f} s"
    used = "tiny made-up models" if _sample(CHECKS[name], settings) is None else CHECKS[name].sample
    return [*findings, Finding(f"both sides, on {used}", told=took)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whole builds on a device, each beside the same build on the CPU, in processes of their own.

With a folder of `edgekit sample`, its recipe as `--smoke`; without one, tiny projects of the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.gpu.findings import Finding, failed, skipped
from tests.tiny import chat as tiny_chat
from tests.tiny import encoder as tiny

DONE = (0, 3, 4)
"""Exit codes of a build that has ended; the others but the first are verdicts."""
_DISTILL = "  - distill: {layers: 1, epochs: 8, learning_rate: 1e-3}\n"
_TINY = tiny.RECIPE.replace("outputs:", f"{_DISTILL}outputs:")
_OF_SAMPLE = """\
version: 1
name: check-gpu
task: classification
languages: [de, en, fr]
model: "{folder}/encoder"
data:
  train: "{folder}/data/train.csv"
  validation: "{folder}/data/validation.csv"
  test: "{folder}/data/test.csv"
steps:
  - finetune: {{epochs: 2, batch_size: 16, learning_rate: 1.0e-4, head_learning_rate: 1.0e-3}}
  - distill: {{layers: 1, epochs: 2}}
outputs:
  - onnx: {{quantize: int8}}
seed: 7
"""
_TINY_CHAT = tiny_chat.RECIPE.replace("quantize: q8_0", "quantize: q4_0, rounding: gptq")


def classifier(device: str, folder: Path, sample: Path | None) -> list[Finding]:
    """finetune and distill, exported to int8 and judged; of the sample, a trial on a few rows."""
    recipe = tiny.make_project(folder / "project", recipe=_TINY)
    found = _classifiers(_both(recipe, folder / "tiny", device, []), "a tiny model")
    if sample is not None:
        recipe = folder / "recipe.yaml"
        recipe.write_text(_OF_SAMPLE.format(folder=json.dumps(str(sample))[1:-1]), "utf-8")
        sides = _both(recipe, folder / "sample", device, ["--smoke"])
        found += _classifiers(sides, "the sample's, on a few rows")
    return found


def _classifiers(sides: list[dict[str, Any]] | str, model: str) -> list[Finding]:
    if isinstance(sides, str):
        return failed(sides)
    return [
        _compared(f"macro-F1 of {model}", sides, ("artifact", "macro_f1"), 0.15),
        _compared("agreement with its teacher", sides, ("agreement",), 0.1),
    ]


def in_two_processes(device: str, folder: Path, sample: Path | None) -> list[Finding]:
    """Two ranks that share every batch, beside one process on the same device."""
    if device == "cuda":
        import torch

        if torch.cuda.device_count() < 2:
            return skipped("there is one GPU here, and each process needs one of its own")
    recipe = tiny.make_project(folder / "project", recipe=_TINY)
    found = []
    for processes in (1, 2):
        words = ["--processes", str(processes)]
        built = build(recipe, folder / f"of-{processes}", device, words)
        if isinstance(built, str):
            return failed(f"{processes} processes: {built}")
        found.append(built)
    return [_compared("macro-F1 of one process and of two", found, ("artifact", "macro_f1"), 0.15)]


def decoder(device: str, folder: Path, sample: Path | None) -> list[Finding]:
    """An importance matrix and GPTQ, judged by the divergence from the parent."""
    if sample is None:
        recipe = tiny_chat.make_project(folder / "project", recipe=_TINY_CHAT)
        sides = _both(recipe, folder, device, [])
    else:
        words = ["--smoke", "--set", "outputs.0.gguf.rounding=gptq"]
        sides = _both(sample / "recipe.yaml", folder, device, words)
    if isinstance(sides, str):
        return failed(sides)
    kld = float(sides[0]["kld"])
    return [
        _compared("mean KLD to the parent, nats", sides, ("kld",), 0.1 * kld),
        _compared("perplexity, in the parent's", sides, ("ppl_ratio",), 0.02),
        _compared("share of equal top tokens", sides, ("top1",), 0.03),
    ]


def build(recipe: Path, folder: Path, device: str, words: Sequence[str]) -> dict[str, Any] | str:
    """The quality that a build measured, or why it failed."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    command = [sys.executable, "-m", "edgekit", "compress", str(recipe), "--json"]
    done = subprocess.run(
        [*command, "--device", device, "--out", str(folder / "out"), *words],
        capture_output=True,
        text=True,
        check=False,
        # Nothing that the other side has finished may be taken for this one's.
        env={**os.environ, **hidden, "EDGEKIT_CACHE": str(folder / "cache")},
    )
    if done.returncode not in DONE:
        said = done.stderr.strip().splitlines()
        return f"on {device}, exit code {done.returncode}: {said[-1] if said else 'no word'}"
    [artifact] = json.loads(done.stdout.splitlines()[-1])["artifacts"]
    manifest = Path(artifact["path"]) / "manifest.json"
    return dict(json.loads(manifest.read_text(encoding="utf-8"))["quality"])


def _both(
    recipe: Path, folder: Path, device: str, words: Sequence[str]
) -> list[dict[str, Any]] | str:
    found = []
    for number, side in enumerate(("cpu", device)):
        built = build(recipe, folder / f"{number}-{side}", side, words)
        if isinstance(built, str):
            return built
        found.append(built)
    return found


def _compared(
    what: str, sides: Sequence[Mapping[str, Any]], keys: Sequence[str], most: float
) -> Finding:
    values = []
    for side in sides:
        value: Any = side
        for key in keys:
            value = value[key]
        values.append(float(value))
    return Finding(what, values[0], values[1], most)

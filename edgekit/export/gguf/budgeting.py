"""Makes a file that meets a budget: measures, chooses, rounds, compares with llama.cpp's mix.

Each measurement is a piece of work of its own in the step store, where another budget finds it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.data.rows import Row
from edgekit.export.gguf import (
    budget,
    calibration,
    divergence,
    losses,
    predicting,
    quantizing,
    rounding,
    sensitivity,
)
from edgekit.export.gguf.budget import Room
from edgekit.export.gguf.types import FAST
from edgekit.job.job import OnProgress, RunStored
from edgekit.store.store import PROGRESS, Finished

FILE = "model.gguf"
"""Its name in an artifact."""
PROBE_TOKENS = 1024
"""Tokens read in each run that measures sensitivity; more where there are many languages."""
LANGUAGE_TOKENS = 128
COMPARED = 4
"""Factor on a probe's tokens where whole files are compared."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the measurements are based on."""

    source: Path
    """The model in f16."""
    importance: Path
    rows: Sequence[Row]
    """Rows that choose."""
    calibrate: Callable[[], calibration.Chosen] | None
    """Texts that show how weights can compensate for one another; None where each is rounded by
    itself."""
    languages: Sequence[str]
    embeddings: str | None
    """Type of the embedding table, where it is given."""
    seed: int
    threads: int
    inputs: Mapping[str, Any]
    """Everything that the result depends on."""

    @property
    def probe_tokens(self) -> int:
        return max(PROBE_TOKENS, LANGUAGE_TOKENS * len(self.languages))

    @property
    def compared_tokens(self) -> int:
        return COMPARED * self.probe_tokens

    @property
    def quantize(self) -> Callable[..., dict[str, Any]]:
        return partial(quantizing.quantize, importance=self.importance, threads=self.threads)


def make(ground: Ground, space: Room, run: RunStored) -> Finished:
    """The quantized file, and in its record what was chosen and how it compares."""
    parts = sensitivity.parts(space.tensors)
    found = run("gguf-losses", ground.inputs, partial(_measure_losses, ground, space))
    inputs = {**ground.inputs, "seed": ground.seed, "languages": list(ground.languages)}
    measured = run(
        "gguf-sensitivity",
        {**inputs, "tokens": ground.probe_tokens},
        partial(_measure_costs, ground, parts, found.record["losses"]),
    )
    chosen = budget.choose(
        space, found.record["losses"], measured.record["costs"], budget.by_part(parts)
    )
    inputs |= {"chosen": chosen}
    rounded = None
    if ground.calibrate is not None:
        rounded = run("gguf-round", inputs, partial(_round, ground, ground.calibrate, chosen))
    inputs |= {
        "rounded": rounded and rounded.digest,
        "whole": space.whole_bytes,
        "tokens": ground.compared_tokens,
    }
    return run("gguf-budget", inputs, partial(_write, ground, chosen, space.whole_bytes, rounded))


def _measure_losses(
    ground: Ground, space: Room, out: Path, on_progress: OnProgress
) -> dict[str, Any]:
    found = losses.measure(
        ground.source,
        space.tensors,
        FAST,
        importance=ground.importance,
        threads=ground.threads,
        on_progress=on_progress,
        progress=out / PROGRESS,
    )
    return {"losses": found}


def _measure_costs(
    ground: Ground,
    parts: Mapping[str, Sequence[str]],
    found: losses.Losses,
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    chosen = _texts(ground, ground.probe_tokens)
    costs = sensitivity.measure(
        ground.source,
        parts,
        found,
        chosen.tokens,
        importance=ground.importance,
        threads=ground.threads,
        on_progress=on_progress,
        progress=out / PROGRESS,
    )
    return {"costs": costs, "tokens": chosen.count}


def _round(
    ground: Ground,
    calibrate: Callable[[], calibration.Chosen],
    chosen: Mapping[str, str],
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """The chosen types, each weight rounded so that it compensates for those before it."""
    return rounding.quantize(
        partial(ground.quantize, chosen=chosen),
        ground.source,
        out / FILE,
        calibrate().tokens,
        threads=ground.threads,
        on_progress=on_progress,
        progress=out / PROGRESS,
    )


def _write(
    ground: Ground,
    chosen: Mapping[str, str],
    whole: int,
    rounded: Finished | None,
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """The best of the files that fit: the chosen types rounded by GPTQ, rounded by llama.cpp, and
    llama.cpp's own mix."""
    texts = _texts(ground, ground.compared_tokens)
    files = {"chosen": out / "chosen.gguf"}
    records = {"chosen": ground.quantize(ground.source, files["chosen"], chosen=chosen)}
    if rounded is not None:
        name = "chosen, GPTQ"
        files[name], records[name] = out / "gptq.gguf", dict(rounded.record)
        shutil.copyfile(rounded.folder / FILE, files[name])
    mix = quantizing.nearest_mix(ground.source, whole, embeddings=ground.embeddings)
    if mix is not None:
        files[mix] = out / f"{mix}.gguf"
        records[mix] = ground.quantize(
            ground.source, files[mix], mix=mix, embeddings=ground.embeddings
        )
    on_progress(0.3)
    tried = _compare(ground, files, texts.tokens, out, on_progress)
    fitting = [name for name in files if records[name]["size_bytes"] <= whole]
    best = min(fitting, key=lambda name: tried[name]["kld"])
    for name, path in files.items():
        if name != best:
            path.unlink()
    files[best].rename(out / FILE)
    return {
        **records[best],
        "peak_bytes": max(one["peak_bytes"] for one in records.values()),
        "taken": best,
        "tokens": texts.count,
        "tried": [
            {"types": name, "size_bytes": records[name]["size_bytes"], **tried[name]}
            for name in files
        ],
    }


def _compare(
    ground: Ground,
    files: Mapping[str, Path],
    tokens: Sequence[Sequence[int]],
    out: Path,
    on_progress: OnProgress,
) -> dict[str, dict[str, float]]:
    """How far each file is from the unquantized model."""
    parent, other = out / "parent", out / "other"
    predicting.predict(ground.source, tokens, parent, threads=ground.threads)
    found = {}
    for number, (name, path) in enumerate(files.items(), start=1):
        on_progress(0.3 + 0.7 * number / (len(files) + 1))
        predicting.predict(path, tokens, other, threads=ground.threads, at=parent)
        summary = divergence.compare(parent, other).summary()
        found[name] = {key: round(summary[key], 6) for key in ("kld", "kld_p99", "top1")}
    parent.unlink()
    other.unlink()
    return found


def _texts(ground: Ground, tokens: int) -> calibration.Chosen:
    return calibration.choose(
        ground.source, ground.rows, languages=ground.languages, tokens=tokens, seed=ground.seed
    )

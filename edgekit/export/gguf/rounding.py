"""Rounds the matrices of a quantized GGUF again by GPTQ, in the types that they have.

The covariances of all matrices' inputs take more memory than the model. So a few matrices are done
at a time: a child process reads the texts with the f16 model, sums up their covariances, rounds
them, and returns their bytes.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.export.gguf import f16_matrices, header
from edgekit.export.gguf.header import Entry
from edgekit.export.gguf.types import EMBEDDINGS, FAST, NAMES
from edgekit.export.gptq import factor, held_together
from edgekit.job import events
from edgekit.store.progress import load_progress, save_progress
from edgekit.system import child, machine
from edgekit.system.serving import Request, Verb

COVARIANCES_BYTES = 1_000_000_000
"""Covariances held at once, unless one matrix takes more."""
ROWS = 4096
"""Rows rounded at once by a thread."""
_MODULE = "edgekit.export.gguf.rounding"
_COPIES = 4
"""Copies of a covariance, in float64, while it is inverted."""
_READING = 0.8
"""Share of a child's time spent reading, roughly."""


def cost(covariances_bytes: int, columns: int) -> tuple[int, int]:
    """How often the texts are read, and the bytes held besides the f16 model.

    From the bytes of all covariances, and the longest rows, whose covariance is inverted.
    """
    held = min(covariances_bytes, COVARIANCES_BYTES)
    return math.ceil(covariances_bytes / COVARIANCES_BYTES), held + _COPIES * 8 * columns**2


def quantize(
    nearest: Callable[[Path, Path], dict[str, Any]],
    source: Path,
    out: Path,
    tokens: Sequence[Sequence[int]],
    *,
    threads: int,
    on_progress: Callable[[float], None] = lambda fraction: None,
    progress: Path | None = None,
) -> dict[str, Any]:
    """Runs `nearest` (quantizing.quantize with its settings) on `source`, then rounds `anew`."""
    record = nearest(source, out)
    done = anew(source, out, tokens, threads=threads, on_progress=on_progress, progress=progress)
    peak = max(record["peak_bytes"], done["peak_bytes"])
    return {**record, "rounded": done["rounded"], "peak_bytes": peak}


def anew(
    source: Path,
    file: Path,
    tokens: Sequence[Sequence[int]],
    *,
    threads: int,
    on_progress: Callable[[float], None] = lambda fraction: None,
    progress: Path | None = None,
) -> dict[str, Any]:
    """Rounds the matrices of `file`, which llama.cpp made of the f16 file `source`, in place.

    The embedding table stays: its rows are looked up as well as multiplied. Progress is saved in
    the folder `progress`, if given, and resumed with the same result. Returns how many matrices
    were rounded and `peak_bytes`. Raises ExportError where llama.cpp cannot read.
    """
    entries = {one.name: one for one in header.read(file) if _can_be_rounded(one)}
    columns = ((one.name, one.shape[0]) for one in entries.values())
    groups = list(held_together(columns, COVARIANCES_BYTES))
    done, peak = 0, 0
    with tempfile.TemporaryDirectory(dir=file.parent) as temporary:
        folder = Path(temporary)
        if progress is not None and (saved := load_progress(progress)) is not None:
            done, peak = saved.state["done"], saved.state["peak_bytes"]
            for path in saved.folder.glob("*.npz"):
                shutil.copy(path, folder)
        for number, names in enumerate(groups):
            if number < done:
                continue
            request = {
                "model": source,
                "tokens": [list(map(int, one)) for one in tokens],
                "types": {name: NAMES[entries[name].type] for name in names},
                "out": folder / f"{number:08d}.npz",
                "threads": threads,
            }
            told = events.part(on_progress, number / len(groups), (number + _READING) / len(groups))
            doing = "gguf: rounding weights"
            found = child.ask(_MODULE, "round", request, doing=doing, on_piece=told)
            peak = max(peak, found["peak_bytes"])
            if progress is not None and number + 1 < len(groups):
                state = {"done": number + 1, "peak_bytes": peak}
                save_progress(progress, partial(_copy, folder), state=state)
        rounded = _write(file, entries, sorted(folder.glob("*.npz")))
    return {"rounded": rounded, "peak_bytes": peak}


def _can_be_rounded(entry: Entry) -> bool:
    return NAMES.get(entry.type) in FAST and len(entry.shape) > 1 and entry.name != EMBEDDINGS


def _copy(source: Path, folder: Path) -> None:
    for path in source.glob("*.npz"):
        shutil.copy(path, folder)


def _write(file: Path, entries: Mapping[str, Entry], parts: Sequence[Path]) -> int:
    """Puts the matrices of the parts in their places; returns how many."""
    count = 0
    with file.open("r+b") as stream:
        for part in parts:
            with np.load(part, allow_pickle=False) as found:
                for name in found.files:
                    stream.seek(entries[name].offset)
                    stream.write(found[name].tobytes())
                    count += 1
    return count


class _Covariances:
    """Sums of products of the matrices' inputs; one for matrices that share their input."""

    def __init__(self) -> None:
        self.sums: dict[str, np.ndarray] = {}
        self.first: dict[str, str] = {}
        """For each matrix, the first one seen with the same inputs."""
        self._heard_at: dict[int, str] = {}

    def hear(self, name: str, values: np.ndarray, address: int) -> None:
        if name not in self.first:
            self.first[name] = self._heard_at.setdefault(address, name)
        if self.first[name] != name:
            return
        products = values.T @ values
        if name in self.sums:
            self.sums[name] += products
        else:
            self.sums[name] = products


def _run(request: Request) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import activation_hooks, gptq, library  # see importance.py

    model, types = Path(request["model"]), request["types"]
    heard = _Covariances()
    activation_hooks.listen(
        model,
        request["tokens"],
        heard.hear,
        tell=request.tell,
        wanted=types.__contains__,
        threads=request["threads"],
    )
    chunk = library.load().ggml_quantize_chunk
    entries = {one.name: one for one in header.read(model)}
    rounded: dict[str, np.ndarray] = {}
    with ThreadPoolExecutor(request["threads"]) as pool:
        for first, covariance in heard.sums.items():
            upper = factor(covariance)
            if upper is None:
                continue
            for name in (one for one, other in heard.first.items() if other == first):
                quantize = partial(gptq.quantize, chunk, type_=types[name], upper=upper)
                parts = _parts(f16_matrices.rows(model, entries[name]), request["threads"])
                rounded[name] = np.concatenate(list(pool.map(quantize, parts)))
    np.savez(request["out"], allow_pickle=False, **rounded)
    return {"peak_bytes": machine.peak_rss_bytes()}


def _parts(values: np.ndarray, threads: int) -> list[np.ndarray]:
    """Neighbouring rows: something for every thread, and no more than ROWS at once."""
    step = min(ROWS, -(-len(values) // threads))
    return [values[start : start + step] for start in range(0, len(values), step)]


VERBS: Mapping[str, Verb] = {"round": _run}

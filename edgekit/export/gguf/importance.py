"""How much each column of a GGUF's matrices matters: the mean square of its input.

Quantization then preserves the columns that real texts use, as llama.cpp's `imatrix` does
(github.com/ggml-org/llama.cpp/pull/4861). Runs the model in child processes, a part of the tokens
in each, so that a killed run can resume.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExportError
from edgekit.export.gguf import predicting
from edgekit.job import events
from edgekit.store.progress import load_progress, save_progress
from edgekit.system import child, machine
from edgekit.system.serving import Request, Verb

PART_TOKENS = 4096
"""Tokens read between two saves."""
_MODULE = "edgekit.export.gguf.importance"


def measure(
    model: Path,
    tokens: Sequence[Sequence[int]],
    out: Path,
    *,
    threads: int,
    on_progress: Callable[[float], None] = lambda fraction: None,
    progress: Path | None = None,
) -> dict[str, Any]:
    """Reads each sequence from its beginning and writes `out`, float32 by the matrices' names.

    Progress is saved in the folder `progress`, if given, and resumed with the same result. Returns
    the tokens read and `peak_bytes`. Raises ExportError where llama.cpp fails.
    """
    sums: dict[str, np.ndarray] = {}
    done, peak, count = 0, 0, sum(map(len, tokens))
    if progress is not None and (saved := load_progress(progress)) is not None:
        done, peak = saved.state["done"], saved.state["peak_bytes"]
        sums = read(saved.folder / "sums.npz")
    with tempfile.TemporaryDirectory() as temporary:
        part = Path(temporary) / "part.npz"
        for first, last in predicting.parts_of(tokens, done, size=PART_TOKENS):
            before = sum(map(len, tokens[:first]))
            after = before + sum(map(len, tokens[first:last]))
            request = {
                "model": model,
                "tokens": [list(map(int, one)) for one in tokens[first:last]],
                "out": part,
                "threads": threads,
            }
            told = events.part(on_progress, before / count, after / count)
            doing = "gguf: measuring importance"
            found = child.ask(_MODULE, "measure", request, doing=doing, on_piece=told)
            peak = max(peak, found["peak_bytes"])
            for name, values in read(part).items():
                sums[name] = sums.get(name, 0) + values
            if progress is not None and last < len(tokens):
                state = {"done": last, "peak_bytes": peak}
                save_progress(progress, partial(_save, sums, "sums.npz"), state=state)
    means = {name: (values / count).astype(np.float32) for name, values in sums.items()}
    _save(means, out.name, out.parent)
    return {"tokens": count, "matrices": len(means), "peak_bytes": peak}


def read(path: Path) -> dict[str, np.ndarray]:
    """What `measure` wrote."""
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def _save(values: Mapping[str, np.ndarray], name: str, folder: Path) -> None:
    with (folder / name).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **values)


class _Squares:
    """Sums the squares of each matrix's inputs."""

    def __init__(self) -> None:
        self.sums: dict[str, np.ndarray] = {}

    def hear(self, name: str, values: np.ndarray, _: int) -> None:
        squares = np.einsum("ij,ij->j", values, values, dtype=np.float64)
        if name in self.sums:
            self.sums[name] += squares
        else:
            self.sums[name] = squares


def _run(request: Request) -> dict[str, Any]:
    """Runs in the child."""
    # llama.cpp may crash: only a child loads it.
    from edgekit.export.gguf import activation_hooks

    squares = _Squares()
    model, tokens, tell = Path(request["model"]), request["tokens"], request.tell
    activation_hooks.listen(model, tokens, squares.hear, tell=tell, threads=request["threads"])
    if any(not np.isfinite(one).all() for one in squares.sums.values()):
        raise ExportError("it computes values that are no numbers; its weights are damaged.")
    out = Path(request["out"])
    _save(squares.sums, out.name, out.parent)
    return {"peak_bytes": machine.peak_rss_bytes()}


VERBS: Mapping[str, Verb] = {"measure": _run}

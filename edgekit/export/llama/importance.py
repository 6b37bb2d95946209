"""How much each column of a GGUF's matrices matters: the mean square of what it is multiplied with.

Quantization then keeps the columns that real texts use, as llama.cpp's `imatrix` does
(github.com/ggml-org/llama.cpp/pull/4861). Runs the model in child processes, a part of the tokens
in each, so that a killed run goes on.
"""

from __future__ import annotations

import ctypes
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import machine
from edgekit.errors import ExportError
from edgekit.export import apart
from edgekit.progress import load_progress, save_progress

PART_TOKENS = 4096
"""Read between two saves."""
_MODULE = "edgekit.export.llama.importance"
_MULTIPLIES = b"MUL_MAT"
_FLOAT32 = 0


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

    What is done is saved in the folder `progress`, if given, and gone on with to the same result.
    Returns the tokens read and `peak_bytes`. Raises ExportError where llama.cpp does not do it.
    """
    sums: dict[str, np.ndarray] = {}
    done, peak, count = 0, 0, sum(map(len, tokens))
    if progress is not None and (saved := load_progress(progress)) is not None:
        done, peak = saved.state["done"], saved.state["peak_bytes"]
        sums = _load(saved.folder / "sums.npz")
    with tempfile.TemporaryDirectory() as temporary:
        part = Path(temporary) / "part.npz"
        for first, last in parts(tokens, done):
            before = sum(map(len, tokens[:first]))
            share = sum(map(len, tokens[first:last]))
            request = {
                "model": str(model.resolve()),
                "tokens": [list(map(int, one)) for one in tokens[first:last]],
                "out": str(part),
                "threads": threads,
            }
            told = partial(_tell, on_progress, before / count, share / count)
            peak = max(peak, _apart(request, Path(temporary), told)["peak_bytes"])
            for name, values in _load(part).items():
                sums[name] = sums.get(name, 0) + values
            if progress is not None and last < len(tokens):
                state = {"done": last, "peak_bytes": peak}
                save_progress(progress, partial(_save, sums, "sums.npz"), state=state)
    means = {name: (values / count).astype(np.float32) for name, values in sums.items()}
    _save(means, out.name, out.parent)
    return {"tokens": count, "matrices": len(means), "peak_bytes": peak}


def read(path: Path) -> dict[str, np.ndarray]:
    """What `measure` wrote."""
    return _load(path)


def parts(tokens: Sequence[Sequence[int]], first: int) -> Iterator[tuple[int, int]]:
    """Neighbouring sequences of about PART_TOKENS tokens, from the number `first` on."""
    gathered = 0
    for number in range(first, len(tokens)):
        gathered += len(tokens[number])
        if gathered >= PART_TOKENS or number == len(tokens) - 1:
            yield first, number + 1
            first, gathered = number + 1, 0


def _tell(
    on_progress: Callable[[float], None], before: float, share: float, fraction: float
) -> None:
    on_progress(before + share * fraction)


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def _save(values: Mapping[str, np.ndarray], name: str, folder: Path) -> None:
    with (folder / name).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **values)


def _apart(
    request: Mapping[str, Any], folder: Path, on_progress: Callable[[float], None]
) -> dict[str, Any]:
    path = folder / "request.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    return apart.run_apart(
        _MODULE, path, doing="measuring importance", format="gguf", on_progress=on_progress
    )


class _Tensor(ctypes.Structure):
    """ggml_tensor of ggml.h, as far as its name."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
    )


class _Squares:
    """Listens to a computation and sums the squares of what each matrix is multiplied with."""

    def __init__(self, library: Any, callback: Callable[[Any], Any]) -> None:
        self.sums: dict[str, np.ndarray] = {}
        self.fault: str | None = None
        self._library = library
        self._multiplies = self._number_of(_MULTIPLIES)
        # ctypes keeps no reference to a callback; without this one it would be freed.
        self.callback = callback(self._hear)

    def _number_of(self, name: bytes) -> int:
        numbers = (one for one in range(256) if self._library.ggml_op_name(one) == name)
        found = next(numbers, None)
        if found is None:
            raise ExportError("the installed llama.cpp has no operation MUL_MAT.")
        return found

    def _hear(self, address: int, ask: bool, _: object) -> bool:
        """Asked before a node is computed whether it matters; called again when it is."""
        node = _Tensor.from_address(address)
        if node.name != self._library.ggml_get_name(address):
            self.fault = "the installed llama.cpp keeps its tensors otherwise than 0.3.36's"
            return not ask
        if node.op != self._multiplies:
            return False
        matrix = _Tensor.from_address(node.src[0])
        inputs = _Tensor.from_address(node.src[1])
        if not matrix.name.endswith(b".weight") or inputs.type != _FLOAT32:
            return False
        if not ask:
            self._add(matrix.name.decode(), inputs)
        return True

    def _add(self, name: str, inputs: _Tensor) -> None:
        columns, rows = inputs.ne[0], inputs.ne[1] * inputs.ne[2] * inputs.ne[3]
        if inputs.nb[1] != 4 * columns:
            self.fault = f"the inputs of {name} are not in one piece"
            return
        pointer = ctypes.cast(inputs.data, ctypes.POINTER(ctypes.c_float))
        values = np.ctypeslib.as_array(pointer, shape=(rows, columns))
        squares = np.einsum("ij,ij->j", values, values, dtype=np.float64)
        if name in self.sums:
            self.sums[name] += squares
        else:
            self.sums[name] = squares


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """In the child."""
    import llama_cpp  # llama.cpp must not be loaded where it may not die

    from edgekit.export.llama import library, opening

    tokens = request["tokens"]
    squares = _Squares(library.load(), llama_cpp.ggml_backend_sched_eval_callback)
    settings = llama_cpp.llama_context_default_params()
    settings.cb_eval = squares.callback
    with (
        opening.open_model(Path(request["model"])) as model,
        opening.open_context(
            model, tokens=max(map(len, tokens)), threads=request["threads"], settings=settings
        ) as reader,
    ):
        for number, sequence in enumerate(tokens):
            reader.forget()
            for start in range(0, len(sequence), reader.most):
                reader.logits(sequence[start : start + reader.most])
            apart.tell((number + 1) / len(tokens))
    if squares.fault is not None:
        raise ExportError(f"{squares.fault}; install the version of constraints.txt.")
    if any(not np.isfinite(one).all() for one in squares.sums.values()):
        raise ExportError("it computes values that are no numbers; its weights are damaged.")
    out = Path(request["out"])
    _save(squares.sums, out.name, out.parent)
    return {"peak_bytes": machine.peak_rss_bytes()}


if __name__ == "__main__":
    _work = partial(_run, json.loads(Path(sys.argv[1]).read_text("utf-8")))
    sys.exit(apart.answer(_work))

"""Quantizes a GGUF file with llama.cpp, in a child process, and reads back the result."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExportError
from edgekit.export.gguf import header, types
from edgekit.export.gguf.types import FAST, MIXES, TYPES, Tensor
from edgekit.system import child, machine
from edgekit.system.serving import Verb

BUFFER_BYTES = 64_000_000
"""Size of the rows that llama.cpp holds at once; its own limit is 8 GiB."""
_MODULE = "edgekit.export.gguf.quantizing"
_ROOM_BYTES = 2**16
# llama.cpp reports sizes in hundredths of a MiB.
_ROUNDING = 2**20 // 100


def quantize(
    source: Path,
    out: Path,
    *,
    mix: str | None = None,
    chosen: Mapping[str, str] | None = None,
    embeddings: str | None = None,
    importance: Path | None = None,
    threads: int,
) -> dict[str, Any]:
    """Writes `out` as one of MIXES, or with the `chosen` type of each matrix by its name.

    Matrices that `chosen` does not name stay as they are. `embeddings` is the type of the embedding
    table, `importance` a file written by importance.measure. Returns the real bits per weight, the
    types, what was substituted and `peak_bytes`. Raises ExportError where llama.cpp refuses.
    """
    if embeddings is not None:
        check_embeddings(read_tensors(source), embeddings)
    request = _request(source, out, embeddings=embeddings)
    # Where the type of every matrix is given, the mix is only what the header names the file by.
    named = mix if mix is not None else types.mix_of_most(read_tensors(source), chosen or {})
    request["mix"] = MIXES[named]
    request["chosen"] = None if chosen is None else dict(chosen)
    request["importance"] = importance
    request["threads"] = threads
    done = child.ask(_MODULE, "quantize", request, doing=f"gguf: quantizing {source.name}")
    tensors = read_tensors(out)
    if chosen is not None:
        _check(tensors, chosen)
    found = describe(out, tensors, mix, embeddings=embeddings)
    return {**found, "peak_bytes": done["peak_bytes"]}


def nearest_mix(source: Path, size_bytes: int, *, embeddings: str | None) -> str | None:
    """Which of MIXES gives the largest file within `size_bytes`; None where none does."""
    header = source.stat().st_size - sum(one.size_bytes for one in read_tensors(source))
    asked = _request(source, source, embeddings=embeddings)
    doing = f"gguf: trying mixes on {source.name}"
    sizes = child.ask(_MODULE, "sizes", asked, doing=doing)["sizes"]
    fitting = {mix: size for mix, size in sizes.items() if size + header <= size_bytes + _ROUNDING}
    return max(fitting, key=lambda mix: fitting[mix], default=None)


def describe(
    path: Path, tensors: list[Tensor], mix: str | None, *, embeddings: str | None
) -> dict[str, Any]:
    """The description of a quantized file; the same on every run."""
    of_type: dict[str, dict[str, int]] = {}
    for tensor in tensors:
        entry = of_type.setdefault(tensor.type, {"tensors": 0, "bytes": 0})
        entry["tensors"] += 1
        entry["bytes"] += tensor.size_bytes
    by_mix = [one for one in tensors if embeddings is None or one.name != types.EMBEDDINGS]
    found = [] if mix is None else types.substitutions(by_mix, mix)
    bits = round(types.bits_per_weight(tensors), 3)
    return {
        "size_bytes": path.stat().st_size,
        "bits_per_weight": bits,
        "types": dict(sorted(of_type.items())),
        "substituted": [asdict(one) for one in found],
        "notes": [f"{one}; {bits:g} bits a weight in all" for one in found],
    }


def check_embeddings(tensors: list[Tensor], embeddings: str) -> None:
    """Raises ExportError for a type whose blocks the embeddings' rows do not fit."""
    table = next((one for one in tensors if one.name == types.EMBEDDINGS), None)
    if table is not None and not table.fits(embeddings):
        fitting = ", ".join(name for name in FAST if table.fits(name))
        raise ExportError(
            f"gguf: embeddings cannot be {embeddings}, whose blocks are of "
            f"{TYPES[embeddings].block} weights, where a row has {table.columns}; "
            f"these types fit: {fitting}."
        )


def read_tensors(path: Path) -> list[Tensor]:
    """Name, type and shape of every tensor, in the file's order; ExportError for unknown types."""
    found = []
    for entry in header.read(path):
        if entry.type not in types.NAMES:
            raise ExportError(
                f"{path}: {entry.name} is of ggml's type {entry.type}, which edgekit does not know."
            )
        columns, *others = entry.shape
        found.append(
            Tensor(
                name=entry.name,
                type=types.NAMES[entry.type],
                columns=columns,
                rows=math.prod(others),
                is_matrix=len(others) > 0,
            )
        )
    return found


def _request(source: Path, out: Path, *, embeddings: str | None) -> dict[str, Any]:
    return {"source": source, "out": out, "embeddings": embeddings}


def _check(tensors: list[Tensor], chosen: Mapping[str, str]) -> None:
    for tensor in tensors:
        if (type_ := chosen.get(tensor.name)) is not None and type_ != tensor.type:
            raise ExportError(
                f"gguf: llama.cpp wrote {tensor.name} as {tensor.type} where {type_} was chosen; "
                "the installed llama-cpp-python is another than the one in constraints.txt."
            )


def _quantize(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    import llama_cpp  # llama.cpp may crash: only a child loads it

    settings = _settings(llama_cpp, request)
    settings.ftype = request["mix"]
    settings.nthread = request["threads"]
    settings.max_buf_size = BUFFER_BYTES
    # ctypes keeps no reference to what a pointer points at: these names do.
    matrix = _importance(llama_cpp, request["importance"])
    overrides = _overrides(llama_cpp, request["chosen"])
    if matrix is not None:
        settings.imatrix = matrix.array
    if overrides is not None:
        settings.tt_overrides = overrides
    try:
        _call(llama_cpp, request, settings)
    except ExportError:
        _check_room(Path(request["out"]))
        raise
    return {"peak_bytes": machine.peak_rss_bytes()}


def _check_room(out: Path) -> None:
    """Raises ExportError where the disk is full: llama.cpp does not say why it could not write."""
    try:
        with out.open("ab") as stream:
            stream.write(bytes(_ROOM_BYTES))
    except OSError as error:
        raise ExportError(f"llama.cpp cannot write the file ({error}).") from error


def _sizes(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child: the bytes that the tensors of each mix would take."""
    import llama_cpp  # as above

    settings = _settings(llama_cpp, request)
    settings.dry_run = True
    sizes = {}
    for mix, number in MIXES.items():
        if mix == "none":
            continue
        settings.ftype = number
        said = " ".join(_call(llama_cpp, request, settings))
        found = re.search(r"quant size\s*=\s*([0-9.]+) MiB", said)
        if found is None:
            raise ExportError("llama.cpp does not say how large a mix would be.")
        sizes[mix] = round(float(found[1]) * 2**20)
    return {"sizes": sizes, "peak_bytes": machine.peak_rss_bytes()}


def _settings(llama_cpp: Any, request: Mapping[str, Any]) -> Any:
    settings = llama_cpp.llama_model_quantize_default_params()
    if not hasattr(settings, "max_buf_size"):
        raise ExportError(
            "the installed llama-cpp-python is too old to quantize with an importance matrix; "
            "install 0.3.36 or later."
        )
    if request["embeddings"] is not None:
        settings.token_embedding_type = TYPES[request["embeddings"]].number
    return settings


def _call(llama_cpp: Any, request: Mapping[str, Any], settings: Any) -> list[str]:
    """Quantizes; returns what llama.cpp said."""
    said: list[str] = []
    hear = llama_cpp.llama_log_callback(
        lambda level, text, _: said.append(text.decode("utf-8", "replace").strip())
    )
    llama_cpp.llama_log_set(hear, None)
    llama_cpp.llama_backend_init()
    source, out = request["source"].encode(), request["out"].encode()
    failed = llama_cpp.llama_model_quantize(source, out, settings)
    # The callback is freed with this call.
    llama_cpp.llama_log_set(llama_cpp.llama_log_callback(0), None)
    if failed:
        raise ExportError(f"llama.cpp cannot quantize it ({said[-1] if said else failed}).")
    return said


class _Matrix:
    """An importance matrix as llama.cpp reads it, and everything that its pointers point at."""

    def __init__(self, llama_cpp: Any, values: Mapping[str, np.ndarray]) -> None:
        import ctypes

        self._values = {name: np.ascontiguousarray(one) for name, one in values.items()}
        entry = llama_cpp.llama_model_imatrix_data
        self.array = (entry * (len(values) + 1))()
        for place, (name, one) in enumerate(self._values.items()):
            self.array[place].name = name.encode()
            self.array[place].data = one.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            self.array[place].size = one.size


def _importance(llama_cpp: Any, path: str | None) -> _Matrix | None:
    if path is None:
        return None
    from edgekit.export.gguf import importance

    return _Matrix(llama_cpp, importance.read(Path(path)))


def _overrides(llama_cpp: Any, chosen: Mapping[str, str] | None) -> Any:
    """Patterns and types; the first that matches a name counts, the last is for the rest."""
    if chosen is None:
        return None
    entry = llama_cpp.llama_model_tensor_override
    patterns = [(f"^{re.escape(name)}$", type_) for name, type_ in chosen.items()]
    patterns.append((".", "f16"))
    array = (entry * (len(patterns) + 1))()
    for place, (pattern, type_) in enumerate(patterns):
        array[place].pattern = pattern.encode()
        array[place].type = TYPES[type_].number
    return array


VERBS: Mapping[str, Verb] = {"quantize": _quantize, "sizes": _sizes}

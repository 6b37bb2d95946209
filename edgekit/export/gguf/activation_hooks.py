"""Observes the inputs of each of a model's matrices while llama.cpp computes.

For child processes only: it reads the memory of a library whose layout may differ.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from edgekit.errors import ExportError
from edgekit.export.gguf import library, opening

_MULTIPLIES = b"MUL_MAT"
_FLOAT32 = 0

Hear = Callable[[str, np.ndarray, int], None]
"""Takes a matrix's name, its inputs of shape (tokens, columns), which are llama.cpp's own and
change after the call, and their address: matrices with the same input have the same address."""


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


def listen(
    model: Path,
    tokens: Sequence[Sequence[int]],
    hear: Hear,
    *,
    tell: Callable[[float], None],
    wanted: Callable[[str], bool] = lambda name: True,
    threads: int,
) -> None:
    """Reads each sequence from its beginning and passes `hear` every matrix that is `wanted`.

    `tell` gets the share that is done. Raises ExportError where llama.cpp cannot read, or lays out
    its tensors differently from what is known here.
    """
    ear = _Ear(library.load(), hear, wanted)
    settings = llama_cpp.llama_context_default_params()
    settings.cb_eval = ear.callback
    with (
        opening.open_model(model) as opened,
        opening.open_context(
            opened, tokens=max(map(len, tokens)), threads=threads, settings=settings
        ) as reader,
    ):
        for number, sequence in enumerate(tokens):
            reader.forget()
            for start in range(0, len(sequence), reader.most):
                reader.logits(sequence[start : start + reader.most])
                ear.last = ear.newest
            tell((number + 1) / len(tokens))
    if ear.fault is not None:
        raise ExportError(f"{ear.fault}; install the version of constraints.txt.")


class _Ear:
    """The callback that llama.cpp calls around every node it computes."""

    def __init__(self, library: Any, hear: Hear, wanted: Callable[[str], bool]) -> None:
        self.fault: str | None = None
        self.newest = ""
        """The matrix that was heard most recently."""
        self.last = ""
        """The last wanted matrix of a computation; what comes after it is skipped, such as the
        logits of the whole vocabulary."""
        self._library, self._tell, self._wanted = library, hear, wanted
        self._multiplies = self._number_of(_MULTIPLIES)
        # ctypes keeps no reference to a callback; without this one it would be freed.
        self.callback = llama_cpp.ggml_backend_sched_eval_callback(self._hear)

    def _number_of(self, name: bytes) -> int:
        numbers = (one for one in range(256) if self._library.ggml_op_name(one) == name)
        found = next(numbers, None)
        if found is None:
            raise ExportError("the installed llama.cpp has no operation MUL_MAT.")
        return found

    def _hear(self, address: int, ask: bool, _: object) -> bool:
        """Asked before a node is computed whether it matters; called again after it, where False
        ends the computation."""
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
        name = matrix.name.decode()
        if not self._wanted(name):
            return False
        if ask:
            return True
        self.newest = name
        self._pass_on(name, inputs, node.src[1])
        return name != self.last

    def _pass_on(self, name: str, inputs: _Tensor, address: int) -> None:
        columns, rows = inputs.ne[0], inputs.ne[1] * inputs.ne[2] * inputs.ne[3]
        if inputs.nb[1] != 4 * columns:
            self.fault = f"the inputs of {name} are not in one piece"
            return
        pointer = ctypes.cast(inputs.data, ctypes.POINTER(ctypes.c_float))
        self._tell(name, np.ctypeslib.as_array(pointer, shape=(rows, columns)), address)

"""Functions of llama.cpp's tensor library that the Python package does not bind. For child
processes only: an input that it rejects ends the whole process."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp

from edgekit.errors import ExportError

_NAMES = ("libggml-base.so", "libggml-base.dylib", "ggml-base.dll")
_FOLDERS = ("lib", "bin")


def load() -> Any:
    """libggml-base, which llama_cpp has loaded already, with signatures for what is used here."""
    package = Path(llama_cpp.__file__).parent
    places = [package / folder / name for folder in _FOLDERS for name in _NAMES]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ExportError(f"{package} holds no library ggml-base; install llama-cpp-python anew.")
    library = ctypes.CDLL(str(path))
    library.ggml_get_name.restype = ctypes.c_char_p
    library.ggml_get_name.argtypes = (ctypes.c_void_p,)
    library.ggml_op_name.restype = ctypes.c_char_p
    library.ggml_op_name.argtypes = (ctypes.c_int,)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = (
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
    )
    return library

"""One part of one side of conversion.py, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

Q4_K_M = 15  # llama_ftype of llama.h


def convert(checkpoint: str, out: str) -> None:
    from edgekit.export.gguf import convert

    convert.convert(Path(checkpoint), Path(out))


def prove(checkpoint: str, out: str, threads: str) -> None:
    from edgekit.export.gguf import parity

    parity.prove(Path(checkpoint), Path(out), texts=(), threads=int(threads))


def quantize(source: str, out: str, threads: str) -> None:
    from edgekit.export.gguf import quantizing

    quantizing.quantize(Path(source), Path(out), mix="q4_k_m", threads=int(threads))


def llama_quantize(source: str, out: str, threads: str) -> None:
    """As llama.cpp's program `llama-quantize SOURCE OUT q4_k_m THREADS` calls it."""
    import llama_cpp

    llama_cpp.llama_backend_init()
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = Q4_K_M
    settings.nthread = int(threads)
    if llama_cpp.llama_model_quantize(source.encode(), out.encode(), settings):
        raise SystemExit("llama.cpp could not quantize")


VERBS: dict[str, Callable[..., None]] = {
    "convert": convert,
    "prove": prove,
    "quantize": quantize,
    "llama-quantize": llama_quantize,
}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])

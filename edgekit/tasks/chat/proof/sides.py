"""The sides of a chat model's bench, each in a subprocess of its own (system/serving.py).

A side answers a prompt with its likeliest tokens and reports when each stage was over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import psutil

from edgekit.bench.serving import Opened
from edgekit.system import machine
from edgekit.system.serving import Verb

# A side's imports are part of its cold start, so each class below has its own.


@dataclass(frozen=True, slots=True)
class Timed:
    prompt_tokens: int
    first_s: float
    """From the question to the first piece of the answer."""
    tokens: int
    rest_s: float
    """From the first piece to the end."""


class Side(Protocol):
    def answer(self, prompt: str, tokens: int) -> Timed: ...

    def peak_rss_bytes(self) -> int: ...


class ArtifactSide:
    """What a user runs: `edgekit.load` with all its checks, and the worker's messages."""

    def __init__(self, folder: Path, threads: int, context: int) -> None:
        import edgekit

        self._model = edgekit.load(folder, threads=threads, context=context)

    def answer(self, prompt: str, tokens: int) -> Timed:
        messages = [{"role": "user", "content": prompt}]
        began = time.perf_counter()
        stream = self._model.chat(messages, stream=True, max_tokens=tokens, temperature=0)
        next(stream, None)
        first = time.perf_counter()
        reply = stream.reply()
        end = time.perf_counter()
        read = reply.prompt_tokens - reply.reused_tokens
        return Timed(read, first - began, reply.tokens, end - first)

    def peak_rss_bytes(self) -> int:
        """The worker's; this process only sends requests."""
        (worker,) = psutil.Process().children()
        return _peak_bytes(worker)


class RawSide:
    """The same file in llama-cpp-python's `Llama`, with its defaults but for the threads, and for
    kernels that edgekit leaves out, too."""

    def __init__(self, folder: Path, threads: int, context: int) -> None:
        import llama_cpp

        from edgekit.artifact.folder import read
        from edgekit.runtime.gguf import loading

        # Of this process: with some CPUs' kernels the first prompt ends it.
        llama_cpp.llama_cpp.llama_model_default_params = loading.settings
        (name,) = read(folder).manifest.model.files
        self._model = llama_cpp.Llama(
            str(folder / name),
            n_ctx=context,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )

    def answer(self, prompt: str, tokens: int) -> Timed:
        asked = self._model.tokenize(prompt.encode())
        began = time.perf_counter()
        found = self._model.generate(asked, temp=0.0)
        self._model.detokenize([next(found)])
        first = time.perf_counter()
        for _ in range(tokens - 1):
            self._model.detokenize([next(found)])
        return Timed(len(asked), first - began, tokens, time.perf_counter() - first)

    def peak_rss_bytes(self) -> int:
        return _peak_bytes(psutil.Process())


SIDES: Mapping[str, Callable[..., Side]] = {"artifact": ArtifactSide, "raw": RawSide}


def _peak_bytes(process: psutil.Process) -> int:
    """The most memory that a process has held; if the system does not say, what it holds now."""
    return machine.high_water_bytes(process.pid) or int(process.memory_info().rss)


_opened = Opened(SIDES)
VERBS: Mapping[str, Verb] = {
    "open": _opened.open,
    "answer": lambda request: asdict(_opened.side.answer(request["prompt"], request["tokens"])),
    "usage": lambda request: {"peak_rss_bytes": _opened.side.peak_rss_bytes()},
}

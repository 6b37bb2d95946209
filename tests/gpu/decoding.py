"""llama.cpp's own layers on a GPU: a GGUF's logits and speed beside those of the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from edgekit.export.gguf import convert
from edgekit.export.gguf.quantizing import quantize
from edgekit.runtime.numerics import kl_divergence
from tests.gpu.findings import Finding, failed, skipped
from tests.tiny import llama as tiny_llama

TOKENS = 256
_TEXT = "All human beings are born free and equal in dignity and rights. " * 40


def gguf(device: str, folder: Path, sample: Path | None) -> list[Finding]:
    """A file of q8_0 with all its layers on the device."""
    if device == "cuda" and not llama_cpp.llama_supports_gpu_offload():
        return skipped("llama.cpp here was built without CUDA; make cuda builds it")
    checkpoint = None if sample is None else sample / "model"
    if checkpoint is None:
        checkpoint = tiny_llama.make_checkpoint(folder / "checkpoint", hidden=128)
    convert.convert(checkpoint, folder / "half.gguf")
    quantize(folder / "half.gguf", folder / "model.gguf", mix="q8_0", threads=os.cpu_count() or 1)
    sides = []
    for number, side in enumerate(("cpu", device)):
        out = folder / f"{number}-{side}.npz"
        layers = 0 if side == "cpu" else 999
        words = [str(folder / "model.gguf"), str(layers), str(out)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.gpu.decoding", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            return failed(f"on {side}, exit code {done.returncode}: {said[-1] if said else ''}")
        sides.append((np.load(out)["logits"], json.loads(done.stdout.splitlines()[-1])))
    (wanted, cpu), (found, other) = sides
    kld = float(kl_divergence(wanted, found).mean())
    top = float((wanted.argmax(1) == found.argmax(1)).mean())
    return [
        Finding("mean KLD to the CPU's logits, nats", 0.0, kld, 2e-3),
        Finding("share of equal top tokens", 1.0, top, 0.03),
        Finding("prompt, tokens/s", cpu["prompt"], other["prompt"]),
        Finding("generation, tokens/s", cpu["generation"], other["generation"]),
    ]


def main(arguments: Sequence[str]) -> int:
    """Writes the logits after each of TOKENS tokens; prints both speeds."""
    path, layers, out = arguments
    llama_cpp.llama_backend_init()
    settings = llama_cpp.llama_model_default_params()
    settings.n_gpu_layers = int(layers)
    settings.use_extra_bufts = False
    model = llama_cpp.llama_model_load_from_file(path.encode(), settings)
    asked = llama_cpp.llama_context_default_params()
    asked.n_ctx = asked.n_batch = asked.n_ubatch = 2 * TOKENS
    context = llama_cpp.llama_init_from_model(model, asked)
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    room = (llama_cpp.llama_token * 4096)()
    text = _TEXT.encode()
    llama_cpp.llama_tokenize(vocabulary, text, len(text), room, 4096, False, False)
    tokens = list(room[:TOKENS])
    _read(context, tokens[:8], 0)  # the first time, kernels and buffers are made
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    began = time.perf_counter()
    _read(context, tokens, 0)
    size = int(llama_cpp.llama_vocab_n_tokens(vocabulary))
    logits = np.stack([_logits(context, place, size) for place in range(TOKENS)])
    read = time.perf_counter()
    for place in range(32):
        _read(context, tokens[place : place + 1], TOKENS + place)
        _logits(context, 0, size)
    speeds = {"prompt": TOKENS / (read - began), "generation": 32 / (time.perf_counter() - read)}
    np.savez(out, logits=logits)
    print(json.dumps(speeds))
    return 0


def _read(context: Any, tokens: Sequence[int], start: int) -> None:
    batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    for at, token in enumerate(tokens):
        batch.token[at], batch.pos[at] = token, start + at
        batch.n_seq_id[at], batch.seq_id[at][0], batch.logits[at] = 1, 0, 1
    batch.n_tokens = len(tokens)
    if code := llama_cpp.llama_decode(context, batch):
        raise SystemExit(f"llama_decode: {code}")
    llama_cpp.llama_batch_free(batch)


def _logits(context: Any, place: int, size: int) -> np.ndarray:
    pointer = llama_cpp.llama_get_logits_ith(context, place)
    return np.ctypeslib.as_array(pointer, shape=(size,)).copy()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

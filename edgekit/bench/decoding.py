"""How fast llama.cpp reads and writes here, with a decoder of random weights. Runs in a child."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.system.cancel import Cancel
from edgekit.system.serving import Request, Verb

LAYERS, HIDDEN, INNER, HEADS, VOCABULARY = 6, 1024, 2816, 16, 256
"""82 MB in q8_0: more than a laptop's cache holds, as with real models."""
PROMPT_TOKENS, TOKENS, CONTEXT = 128, 16, 256


def _measure(request: Request) -> Mapping[str, Any]:
    # llama.cpp may end its process: only a child loads it.
    from edgekit.runtime.gguf.native import Llama, Opening

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.gguf"
        write(path, layers=request["layers"])
        threads = request["threads"]
        model = Llama(path, Opening(context=CONTEXT, threads=threads))
        model.set_threads(threads)
        reading: list[float] = []
        writing: list[float] = []
        cancel, ends = Cancel(), time.perf_counter() + request["seconds"]
        while len(writing) < 2 or time.perf_counter() < ends:
            model.keep(0)
            began = time.perf_counter()
            model.evaluate(range(PROMPT_TOKENS), cancel)
            model.logits()
            read = time.perf_counter()
            for token in range(TOKENS):
                model.evaluate([token], cancel)
                model.logits()
            reading.append(PROMPT_TOKENS / (read - began))
            writing.append(TOKENS / (time.perf_counter() - read))
        model.close()
    # The fastest of all rounds: what else the machine does only makes them slower.
    return {
        "prompt_tokens_per_s": round(max(reading), 1),
        "tokens_per_s": round(max(writing), 1),
    }


def write(path: Path, *, layers: int = LAYERS) -> None:
    """A Llama of random weights in q8_0, which speaks no language."""
    from gguf import GGMLQuantizationType, GGUFWriter  # of the extra gguf

    writer = GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("no_vocab")
    chance = np.random.default_rng(7)

    def matrix(name: str, rows: int, columns: int) -> None:
        blocks = np.empty((rows, columns // 32), dtype=[("d", "<f2"), ("q", "i1", 32)])
        blocks["d"] = 0.01 / columns**0.5
        blocks["q"] = chance.integers(-127, 128, (rows, columns // 32, 32), dtype=np.int8)
        data = blocks.view(np.uint8).reshape(rows, -1)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=GGMLQuantizationType.Q8_0)

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(HIDDEN, dtype=np.float32))

    matrix("token_embd", VOCABULARY, HIDDEN)
    matrix("output", VOCABULARY, HIDDEN)
    norm("output_norm")
    for layer in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{name}", HIDDEN, HIDDEN)
        for name in ("ffn_gate", "ffn_up"):
            matrix(f"blk.{layer}.{name}", INNER, HIDDEN)
        matrix(f"blk.{layer}.ffn_down", HIDDEN, INNER)
        norm(f"blk.{layer}.attn_norm")
        norm(f"blk.{layer}.ffn_norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


VERBS: Mapping[str, Verb] = {"measure": _measure}

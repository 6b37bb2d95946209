"""Converts and quantizes beside llama.cpp's own programs: `python tests/bench/conversion.py OUT`.

A random Llama of about 1 billion parameters becomes f16 and then q4_k_m, by edgekit and by
llama.cpp's `convert_hf_to_gguf.py` and quantizer, in turns. For each: seconds, CPU seconds, and the
most anonymous memory of all its processes together (files that are mapped are left out: the system
takes their pages back when others need them). edgekit also proves tokenizer and predictions, which
llama.cpp's programs do not: the proof is told apart. `--sources` are those of llama.cpp, such as
the source package of llama-cpp-python holds; `--tokenizer` is a checkpoint whose tokenizer the
converter knows, such as the sample smollm2's. Its quantizer is called in the library that
llama-cpp-python installs. Tells of each part when it ends, and keeps all numbers in
OUT/conversion.json, from which a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

HIDDEN, FFN, LAYERS, HEADS, KV_HEADS = 2048, 8192, 15, 32, 8
LOOK_SECONDS = 0.02
_EDGEKIT_FILES = ("edgekit-f16.gguf", "edgekit-q4_k_m.gguf")
_LLAMA_FILES = ("llama-f16.gguf", "llama-q4_k_m.gguf")
_COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    settings = parser.parse_args(arguments)
    checkpoint = settings.out / "checkpoint"
    if not checkpoint.is_dir():
        make_checkpoint(checkpoint, settings.tokenizer)
    measure(commands(checkpoint, settings), settings.out / "conversion.json", settings.rounds)
    print(table(json.loads((settings.out / "conversion.json").read_text("utf-8"))))
    return 0


def measure(watched: Mapping[str, Sequence[str]], out: Path, rounds: int) -> None:
    """Both sides in turns until each part was watched so often; what `out` holds already counts."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in watched}
    if out.is_file():
        found |= json.loads(out.read_text("utf-8"))
    for number in range(rounds):
        for name, command in watched.items():
            if len(found[name]) > number:
                continue
            found[name].append(watch(command))
            out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(row(name, found[name][-1]), file=sys.stderr, flush=True)


def make_checkpoint(folder: Path, tokenizer: Path) -> None:
    """Random weights in a known tokenizer's vocabulary; no two matrices are alike."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in _COPIED:
        shutil.copyfile(tokenizer / name, partial / name)
    config = json.loads((tokenizer / "config.json").read_text("utf-8"))
    config |= {
        "hidden_size": HIDDEN,
        "intermediate_size": FFN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HIDDEN // HEADS,
        "tie_word_embeddings": True,
    }
    (partial / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = dict(_weights(config["vocab_size"]))
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    partial.rename(folder)


def _weights(vocabulary: int) -> Iterator[tuple[str, np.ndarray]]:
    generator = np.random.default_rng(7)

    def matrix(rows: int, columns: int) -> np.ndarray:
        values = generator.standard_normal((rows, columns), dtype=np.float32)
        return (values * np.float32(0.02)).astype(np.float16)

    narrow = HIDDEN * KV_HEADS // HEADS
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (narrow, HIDDEN),
        "self_attn.v_proj": (narrow, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (FFN, HIDDEN),
        "mlp.up_proj": (FFN, HIDDEN),
        "mlp.down_proj": (HIDDEN, FFN),
    }
    yield "model.embed_tokens.weight", matrix(vocabulary, HIDDEN)
    yield "model.norm.weight", np.ones(HIDDEN, dtype=np.float16)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{prefix}{name}.weight", np.ones(HIDDEN, dtype=np.float16)
        for name, shape in shapes.items():
            yield f"{prefix}{name}.weight", matrix(*shape)


def commands(checkpoint: Path, settings: argparse.Namespace) -> dict[str, list[str]]:
    """What is watched, by name; each finds what the one before it left."""
    out, threads = settings.out, str(settings.threads)
    own = [sys.executable, "-P", str(Path(__file__).resolve().with_name("conversion_side.py"))]
    half, small = (str(out / name) for name in _EDGEKIT_FILES)
    other_half, other_small = (str(out / name) for name in _LLAMA_FILES)
    script = str(next(settings.sources.rglob("convert_hf_to_gguf.py")))
    return {
        "edgekit: convert": [*own, "convert", str(checkpoint), half],
        "edgekit: quantize": [*own, "quantize", half, small, threads],
        "llama.cpp: convert": [
            *(sys.executable, script, str(checkpoint)),
            *("--outfile", other_half, "--outtype", "f16"),
        ],
        "llama.cpp: quantize": [*own, "llama-quantize", other_half, other_small, threads],
        "edgekit: prove": [*own, "prove", str(checkpoint), half, threads],
    }


def watch(command: Sequence[str]) -> dict[str, float]:
    """Runs a program to its end: wall and CPU seconds, the peak of its anonymous memory."""
    started, peak, cpu = time.perf_counter(), 0, os.times()
    # Not a pipe: one that nobody reads would stop the program.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, sum(map(anonymous_bytes, family(process.pid))))
            time.sleep(LOOK_SECONDS)
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode('utf-8', 'replace')[-2000:]}")
    after = os.times()
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": after.children_user
        + after.children_system
        - cpu.children_user
        - cpu.children_system,
        "peak_bytes": peak,
    }


def family(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # it has ended
            continue
        for child in children:
            yield from family(int(child))


def anonymous_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:  # it has ended
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("RssAnon:")]
    return 1024 * int(lines[0][1]) if lines else 0


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Medians of each part and of both sides together."""
    parts = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for name, rounds in found.items()
    }
    for name, left_out in (
        ("edgekit", ""),
        ("edgekit without the proof of predictions", "edgekit: prove"),
        ("llama.cpp", ""),
    ):
        side = name.split()[0]
        own = [one for key, one in parts.items() if key.startswith(f"{side}:") and key != left_out]
        parts[f"**{name}**"] = {
            "seconds": sum(one["seconds"] for one in own),
            "cpu_seconds": sum(one["cpu_seconds"] for one in own),
            "peak_bytes": max(one["peak_bytes"] for one in own),
        }
    lines = ["| | seconds | CPU seconds | MB anonymous |", "|---|---|---|---|"]
    return "\n".join([*lines, *(row(name, one) for name, one in parts.items())])


def row(name: str, one: Mapping[str, float]) -> str:
    seconds, cpu = one["seconds"], one["cpu_seconds"]
    return f"| {name} | {seconds:.1f} | {cpu:.1f} | {one['peak_bytes'] / 1e6:.0f} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

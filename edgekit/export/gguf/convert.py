"""Writes a checkpoint as an f16 GGUF file whose tokenizer reads texts as the checkpoint's does.

Weights go from file to file a few rows at a time; only numpy computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf

from edgekit.checkpoint import describe, tensors
from edgekit.checkpoint.decoders import DECODERS, UNSAID
from edgekit.errors import CheckpointError
from edgekit.export.gguf import hyperparameters, llama_cpp_converter, origin, weights
from edgekit.export.gguf.reading import read as reading_of

KV_BYTES = 2  # keys and values are kept as halves


def convert(
    checkpoint: Path,
    out: Path,
    *,
    languages: Sequence[str] = (),
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, Any]:
    """Writes `out`; returns what it is and what was proven, the same on every run. Its header says
    that it is for these `languages`.

    Raises CheckpointError for a checkpoint that llama.cpp would not run as transformers does, and
    ExportError where texts or conversations would not become the checkpoint's tokens.
    """
    describe.describe(checkpoint)  # refuses what is damaged or unsafe
    config = describe.read_config(checkpoint)
    if "quantization_config" in config:
        raise CheckpointError(
            f"{checkpoint}: its weights are quantized already, and would be quantized twice; give "
            "the checkpoint as it was before."
        )
    if config["model_type"] not in DECODERS:
        return llama_cpp_converter.convert(checkpoint, out, languages=languages)
    architecture = DECODERS[config["model_type"]]
    config = {**UNSAID, **architecture.unsaid, **config}
    shape = hyperparameters.read_shape(config, architecture)
    found = tensors.read(checkpoint)
    written = weights.choose(
        found,
        architecture,
        shape,
        tied=bool(config.get("tie_word_embeddings", "lm_head.weight" not in found)),
        query_scale=hyperparameters.query_scale(config, shape, architecture),
    )
    rope = hyperparameters.read_rope(config, shape, architecture)
    reading = reading_of(checkpoint, config, architecture, rows=shape.vocabulary)
    scalars = weights.scalars(found, architecture, shape)
    written += weights.computed(rope.tensors)
    # A table that is written twice counts once.
    parameters = sum({id(one.source): one.source.size for one in written}.values())
    said = origin.read(checkpoint, languages=languages, parameters=parameters)
    writer = gguf.GGUFWriter(out, architecture.gguf)
    hyperparameters.add_to(writer, config, shape, rope, architecture)
    for name, numbers in scalars.items():
        writer.add_array(name, numbers)
    reading.add_to(writer, said)
    _write_header(writer, written)
    weights.append(out, written, on_progress)
    reading.prove(out, checkpoint)
    return {
        "architecture": architecture.gguf,
        "parameters": parameters,
        "context": shape.context,
        "kv_bytes_per_token": 2 * KV_BYTES * shape.layers * shape.kv_heads * shape.head_width,
        **reading.record(),
        "notes": [*shape.notes, *rope.notes, *reading.notes],
    }


def _write_header(writer: gguf.GGUFWriter, written: list[weights.Written]) -> None:
    """Everything but the tensors' values."""
    for one in written:
        writer.add_tensor_info(one.name, one.source.shape, one.type, one.size_bytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()

"""Writes a checkpoint as an f16 GGUF file whose tokenizer reads texts as the checkpoint's does.

Weights go from file to file a few rows at a time; only numpy computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gguf

from edgekit.checkpoint import chat_template, describe, tensors
from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.chat_template import Rendered
from edgekit.checkpoint.decoders import DECODERS, UNSAID, Architecture
from edgekit.checkpoint.tokenizer import Vocabulary
from edgekit.errors import CheckpointError
from edgekit.export.gguf import (
    generation,
    hyperparameters,
    llama_cpp_converter,
    origin,
    trials,
    weights,
)
from edgekit.export.gguf.hyperparameters import Rope, Shape
from edgekit.export.gguf.trials import Found
from edgekit.system.digest import sha256_bytes

_KV_BYTES = 2  # keys and values are kept as halves


@dataclass(frozen=True, slots=True)
class _Read:
    """Everything in a checkpoint but its weights."""

    config: Mapping[str, Any]
    architecture: Architecture
    shape: Shape
    rope: Rope
    vocabulary: Vocabulary
    names: Found
    rendered: Rendered | None
    generation: Mapping[str, Any]
    stops: tuple[int, ...]


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
        return llama_cpp_converter.convert(checkpoint, out)
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
    read = _read(checkpoint, config, architecture, shape)
    scalars = weights.scalars(found, architecture, shape)
    written += weights.computed(read.rope.tensors)
    # A table that is written twice counts once.
    parameters = sum({id(one.source): one.source.size for one in written}.values())
    said = origin.read(checkpoint, languages=languages, parameters=parameters)
    _write_header(out, read, said, written, scalars)
    weights.append(out, written, on_progress)
    conversations = read.rendered.texts if read.rendered else ()
    names, preparation = read.names.names, read.vocabulary.preparation
    trials.prove(out, checkpoint, preparation, conversations, names)
    return {
        "architecture": architecture.gguf,
        "parameters": parameters,
        "context": shape.context,
        "kv_bytes_per_token": 2 * _KV_BYTES * shape.layers * shape.kv_heads * shape.head_width,
        "tokenizer": _tokenizer_record(read),
        "chat": _chat_record(read),
        "generation": {name: read.generation[name] for name in generation.SETTINGS
                       if read.generation.get(name) is not None},
        "notes": [*shape.notes, *read.rope.notes, *read.names.notes,
                  *chat_template.notes(read.rendered)],
    }  # fmt: skip


def _read(
    checkpoint: Path, config: Mapping[str, Any], architecture: Architecture, shape: Shape
) -> _Read:
    rope = hyperparameters.read_rope(config, shape, architecture)
    vocabulary = tokenizing.read(checkpoint, rows=shape.vocabulary, architecture=architecture)
    found = trials.find(checkpoint, vocabulary, architecture)
    template = chat_template.read(checkpoint)
    bos, eos = vocabulary.text("bos"), vocabulary.text("eos")
    rendered = template and chat_template.render(checkpoint, template, bos=bos, eos=eos)
    settings = generation.read(checkpoint)
    end = rendered.end if rendered else None
    return _Read(
        config=config,
        architecture=architecture,
        shape=shape,
        rope=rope,
        vocabulary=vocabulary,
        names=found,
        rendered=rendered or None,
        generation=settings,
        stops=generation.stops(config, settings, vocabulary, end=end),
    )


def _write_header(
    out: Path,
    read: _Read,
    said: origin.Origin,
    written: list[weights.Written],
    scalars: Mapping[str, list[float]],
) -> None:
    """Everything but the tensors' values."""
    writer = gguf.GGUFWriter(out, read.architecture.gguf)
    hyperparameters.add_to(writer, read.config, read.shape, read.rope, read.architecture)
    for name, numbers in scalars.items():
        writer.add_array(name, numbers)
    read.vocabulary.add_to(writer)
    writer.add_tokenizer_pre(read.names.names.pre)
    said.add_to(writer, tried=read.names.names.general)
    generation.add_to(writer, read.generation, read.stops)
    if read.rendered:
        writer.add_chat_template(read.rendered.template)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for one in written:
        writer.add_tensor_info(one.name, one.source.shape, one.type, one.size_bytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def _tokenizer_record(read: _Read) -> dict[str, Any]:
    vocabulary, found = read.vocabulary, read.names
    return {
        "kind": vocabulary.kind,
        "pre": found.names.pre,
        "pieces": len(vocabulary.tokens),
        "proven": {"texts": found.texts, "tokens": found.tokens, "tried": found.tried},
        **asdict(vocabulary.preparation),
        "add_bos": vocabulary.add_bos,
        "add_eos": vocabulary.add_eos,
        "bos": vocabulary.text("bos"),
        "eos": vocabulary.text("eos"),
        "stops": list(read.stops),
    }


def _chat_record(read: _Read) -> dict[str, Any] | None:
    """None where there is no template: such a model can continue texts, but not converse."""
    rendered = read.rendered
    if rendered is None:
        return None
    return {
        "template_sha256": sha256_bytes(rendered.template.encode("utf-8")),
        "conversations": len(rendered.texts),
        "refused": rendered.refused,
        "end": None if rendered.end is None else read.vocabulary.tokens[rendered.end],
        "plain_text": list(rendered.strange),
    }

"""Checkpoints of other architectures: converted by llama.cpp's own converter, and proven.

What was fetched writes shapes and weights alone, and the tokenizer is edgekit's; what the user has
named writes everything.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gguf

from edgekit.checkpoint import chat_template, converter, describe
from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.decoders import Architecture
from edgekit.export.gguf import origin, rewriting, trials
from edgekit.export.gguf.reading import read as reading_of
from edgekit.system.digest import sha256_bytes

_STATES = frozenset({"linear_attention"})
"""Kinds of layers whose memory has one size, however long the text is."""


def convert(checkpoint: Path, out: Path, *, languages: Sequence[str] = ()) -> dict[str, Any]:
    """Like convert.convert, for a checkpoint of an architecture that edgekit does not know.

    Raises CheckpointError where there is no converter, and ExportError where it fails or its file
    reads texts differently from the checkpoint.
    """
    if converter.is_own():
        return _with_own_tokenizer(checkpoint, out, languages)
    converter.run(checkpoint, out)
    metadata = _metadata(out)
    document = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    preparation = tokenizing.preparation(document)
    specials = {name: metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")}
    tokenizer = tokenizing.load(checkpoint)
    bos, eos = (
        "" if number is None else tokenizer.id_to_token(number) or ""
        for number in specials.values()
    )
    template = chat_template.read(checkpoint)
    rendered = chat_template.render(checkpoint, template, bos=bos, eos=eos) if template else None
    trials.prove(out, checkpoint, preparation, rendered.texts if rendered else ())
    return _record(metadata, preparation, bos=bos, eos=eos) | {
        "notes": ["converted by llama.cpp's own converter", *chat_template.notes(rendered)],
        "chat": rendered
        and {
            "template_sha256": sha256_bytes(rendered.template.encode("utf-8")),
            "conversations": len(rendered.texts),
            "refused": rendered.refused,
            "end": None if rendered.end is None else tokenizer.id_to_token(rendered.end),
            "plain_text": list(rendered.strange),
        },
    }


def _with_own_tokenizer(checkpoint: Path, out: Path, languages: Sequence[str]) -> dict[str, Any]:
    config = describe.read_config(checkpoint)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        bare = Path(scratch) / "bare.gguf"
        converter.run_own(checkpoint, bare)
        opened = rewriting.read(bare)
        kind = str(opened.facts["general.architecture"])
        rows = opened.tables["token_embd.weight"]
        reading = reading_of(checkpoint, config, Architecture(kind, kind, (kind,)), rows=rows)
        parameters = sum(int(tensor.n_elements) for tensor in opened.reader.tensors)
        said = origin.read(checkpoint, languages=languages, parameters=parameters)
        theirs = {key: None for key in opened.facts if key.startswith(("general.", "tokenizer."))}
        rewriting.copy(opened, out, changed=theirs, add=partial(reading.add_to, said=said))
    reading.prove(out, checkpoint)
    return {
        "architecture": kind,
        "parameters": parameters,
        "context": int(opened.facts[f"{kind}.context_length"]),
        "kv_bytes_per_token": _kv_bytes(config),
        **reading.record(),
        "notes": ["converted by llama.cpp's own converter", *reading.notes],
    }


def _kv_bytes(config: Mapping[str, Any]) -> int:
    """Of halves, in the layers that remember every token: others have a state of one size, or look
    at what a layer before them remembers."""
    count = config["num_hidden_layers"]
    kinds = config.get("layer_types") or ["full_attention"] * count
    widths = []
    for number, kind in enumerate(kinds[: count - (config.get("num_kv_shared_layers") or 0)]):
        told = {**config, **(config.get("per_layer_config") or {}).get(str(number), {})}
        if not kind.endswith("_attention") or kind in _STATES:
            continue
        queries = told["num_attention_heads"]
        heads = told.get("num_key_value_heads") or queries
        width = told.get("head_dim") or told["hidden_size"] // queries
        if kind == "full_attention":  # as transformers 4 told the wider ones
            heads = told.get("num_global_key_value_heads") or heads
            width = told.get("global_head_dim") or width
        widths.append(heads * width)
    # Of values, llama.cpp keeps as many in every layer as in the widest.
    return 2 * (sum(widths) + len(widths) * max(widths, default=0))


def _metadata(path: Path) -> dict[str, Any]:
    """What the file says about itself; only texts and numbers."""
    reader = gguf.GGUFReader(path)
    plain = {
        name: field.contents()
        for name, field in reader.fields.items()
        if field.types and field.types[0] != gguf.GGUFValueType.ARRAY
    }
    return {**plain, "parameters": sum(int(tensor.n_elements) for tensor in reader.tensors)}


def _record(
    metadata: Mapping[str, Any], preparation: tokenizing.Preparation, *, bos: str, eos: str
) -> dict[str, Any]:
    kind = metadata["general.architecture"]

    def told(name: str, default: int = 0) -> int:
        return int(metadata.get(f"{kind}.{name}", default))

    heads = told("attention.head_count", 1)
    width = told("attention.key_length", told("embedding_length") // heads)
    kv_heads = told("attention.head_count_kv", heads)
    ends = {metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")}
    return {
        "architecture": kind,
        "parameters": metadata["parameters"],
        "context": told("context_length"),
        "kv_bytes_per_token": 4 * told("block_count") * kv_heads * width,
        "tokenizer": {
            "kind": metadata.get("tokenizer.ggml.model"),
            "pre": metadata.get("tokenizer.ggml.pre"),
            "prepend": preparation.prepend,
            "normalize": preparation.normalize,
            "add_bos": bool(metadata.get("tokenizer.ggml.add_bos_token", False)),
            "add_eos": bool(metadata.get("tokenizer.ggml.add_eos_token", False)),
            "bos": bos,
            "eos": eos,
            "stops": sorted(int(end) for end in ends if end is not None),
        },
        "generation": {},
    }

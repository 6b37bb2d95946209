"""Cuts rows out of the tables of a checkpoint's weights, one row in memory at a time. No torch."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from edgekit.checkpoint import weights
from edgekit.checkpoint.decoders import DECODERS
from edgekit.checkpoint.encoders import ENCODERS, SEQ2SEQ_TABLES
from edgekit.errors import StepError

CHUNK = 1 << 24
# The name that transformers gives it in every decoder that edgekit converts.
DECODER_TABLE = "embed_tokens.weight"
# Heads that predict pieces have one row per piece, too.
_HEADS = re.compile(
    r"(^|\.)((lm_head|predictions|vocab_transform|vocab_projector|decoder)\.|final_logits_bias$)"
)


def trim(source: Path, out: Path, rows: Sequence[int], *, model_type: str, before: int) -> None:
    """Writes the weights of `source` into `out`; tables with `before` rows keep only `rows`.

    Raises StepError if there is no table of word embeddings.
    """
    words: tuple[str, ...] = SEQ2SEQ_TABLES
    if model_type in DECODERS:
        words = (DECODER_TABLE,)
    elif model_type in ENCODERS:
        words = (ENCODERS[model_type].word_embeddings + ".weight",)
    found = 0
    for path in weights.find(source).files:
        with path.open("rb") as stream, (out / path.name).open("wb") as sink:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
            tables = {
                name
                for name, entry in header.items()
                if name != "__metadata__"
                # The bias of a head, stored as a row of its own.
                and (entry["shape"][:1] == [before] or entry["shape"] == [1, before])
                and (name.endswith(words) or _HEADS.search(name))
            }
            found += sum(name.endswith(words) for name in tables)
            _copy(stream, sink, header, dict.fromkeys(tables, rows))
    if not found:
        raise StepError(
            f"{source}: no weights end in '{words[0]}' with {before:,} rows, as config.json says; "
            "the checkpoint is not of the architecture that it names."
        )
    if weights.find(source).index is not None:
        shutil.copyfile(source / weights.INDEX, out / weights.INDEX)


def _copy(
    stream: BinaryIO,
    sink: BinaryIO,
    header: Mapping[str, Any],
    rows: Mapping[str, Sequence[int]],
) -> None:
    start = stream.tell()
    new: dict[str, Any] = {}
    at = 0
    names = sorted(
        (name for name in header if name != "__metadata__"),
        key=lambda name: header[name]["data_offsets"][0],
    )
    for name in names:
        begin, end = header[name]["data_offsets"]
        shape = list(header[name]["shape"])
        size = end - begin
        if name in rows:
            axis = 1 if shape[0] == 1 else 0
            size = size // shape[axis] * len(rows[name])
            shape[axis] = len(rows[name])
        new[name] = {**header[name], "shape": shape, "data_offsets": [at, at + size]}
        at += size
    if "__metadata__" in header:
        new["__metadata__"] = header["__metadata__"]
    text = json.dumps(new, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    sink.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        begin, end = header[name]["data_offsets"]
        if name in rows:
            first, *others = header[name]["shape"]
            width = (end - begin) // (others[0] if first == 1 else first)
            for row in rows[name]:
                stream.seek(start + begin + row * width)
                sink.write(stream.read(width))
        else:
            stream.seek(start + begin)
            for _ in range(math.ceil((end - begin) / CHUNK)):
                sink.write(stream.read(min(CHUNK, start + end - stream.tell())))

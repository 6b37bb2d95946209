"""Opens an artifact's pair of files as a writer. Knows no task and no direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.artifact.folder import Artifact, read_file
from edgekit.runtime.engine import Asked
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.runtime.tokens import TOKENIZER


def open_writer(
    artifact: Artifact, files: dict[str, bytes], asked: Asked, generation: Mapping[str, Any]
) -> Seq2SeqWriter:
    """`files` holds the checked bytes of its models and tokenizer, and `generation` is what the
    manifest says of its search.

    The models' bytes are popped from `files` when they are used, so that they are freed.
    """
    spec = artifact.manifest.model
    return Seq2SeqWriter(
        lambda name: files.pop(name) if name in files else read_file(artifact, name),
        files.pop(TOKENIZER),
        Generation.from_json(generation),
        prefix=spec.prefix,
        max_tokens=spec.max_tokens,
        threads=asked.threads,
    )

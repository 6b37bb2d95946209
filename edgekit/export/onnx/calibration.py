"""Observes what the matrices of a file that reads texts see of some. Light until it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.data.inputs import Input
from edgekit.export.onnx import observing
from edgekit.job.job import OutputJob
from edgekit.runtime import onnx
from edgekit.runtime.sessions import open_session
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer

TEXTS = 64
"""More hardly change the factors."""


def observe(job: OutputJob, source: Path, texts: Sequence[Input], out: Path) -> None:
    """Writes what was seen in TEXTS of the texts, evenly chosen, into the folder `out`."""
    copy = out / source.name
    observer = observing.Observer(observing.observed(source, copy))
    session = open_session(copy.read_bytes, 1)
    encoder = TextTokenizer(
        job.checkpoint / TOKENIZER, prefix=job.prefix, max_tokens=job.max_tokens
    )
    for text in chosen(texts):
        for part in encoder.parts(text):
            observer.add(onnx.run(session, observer.names, part))
    observing.write(out / f"{source.name}.safetensors", observer.seen())
    copy.unlink()


def chosen(texts: Sequence[Input], count: int = TEXTS) -> list[Input]:
    """Evenly chosen, for the texts are in the order of their languages."""
    step = max(1, len(texts) // count)
    return list(texts[::step][:count])

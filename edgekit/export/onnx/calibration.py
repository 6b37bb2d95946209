"""Observes what the matrices of a file that reads texts see of some. Light until it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edgekit.data.inputs import Input
from edgekit.export.gptq import held_together
from edgekit.export.onnx import covariances, observing
from edgekit.job.job import OutputJob
from edgekit.runtime import onnx
from edgekit.runtime.sessions import open_session
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer

TEXTS, TOKENS = 64, 8192
"""So many texts, and of short ones more, until there are so many tokens: hardly any factor changes
with more, and covariances need several rows for each channel."""
MOST_TEXTS = 512


def observe(job: OutputJob, source: Path, texts: Sequence[Input], out: Path) -> None:
    """Writes what was seen in some of the texts, evenly chosen, into the folder `out`."""
    copy = out / source.name
    channels = observing.observed(source, copy)
    session = open_session(copy.read_bytes, 1)
    encoder = TextTokenizer(
        job.checkpoint / TOKENIZER, prefix=job.prefix, max_tokens=job.max_tokens
    )
    parts = [part for text in _enough(texts, encoder) for part in encoder.parts(text)]
    observer = observing.Observer(channels)
    (out / covariances.COVARIANCES).mkdir()
    for number, group in enumerate(held_together(channels.items(), covariances.HELD_BYTES)):
        asked, sums = group if number else list(channels), covariances.Sums()
        for part in parts:
            tensors = onnx.run(session, asked, part)
            if not number:
                observer.add(tensors)
            for name, tensor in zip(asked, tensors, strict=True):
                if name in group:
                    sums.add(name, tensor)
        sums.write(out / covariances.COVARIANCES)
    observing.write(out / f"{source.name}.safetensors", observer.seen())
    copy.unlink()


def _enough(texts: Sequence[Input], encoder: TextTokenizer) -> list[Input]:
    some = chosen(texts)
    tokens = sum(len(part.ids) for text in some for part in encoder.parts(text))
    wanted = math.ceil(TOKENS * len(some) / max(1, tokens))
    return chosen(texts, min(max(TEXTS, wanted), MOST_TEXTS))


def chosen(texts: Sequence[Input], count: int = TEXTS) -> list[Input]:
    """Evenly chosen, for the texts are in the order of their languages."""
    step = max(1, len(texts) // count)
    return list(texts[::step][:count])

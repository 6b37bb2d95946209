"""Summaries of test texts, and golden answers, by the extractive engine. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgekit.data.sentences import flat, spans
from edgekit.data.spread import spread
from edgekit.job.job import Exported, OnProgress, OutputJob
from edgekit.runtime.onnx import EMBEDDING, OnnxModel
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization.engine import Summarizer
from edgekit.tasks.summarization.extractive import Encoder, Extractive
from edgekit.tasks.summarization.summary import Told, Wanted

GOLDEN_SENTENCES = 8
# Engines and CPUs round differently; a vector that is further off is another model's.
GOLDEN_TOLERANCE = 0.02
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Summaries:
    """The summaries of the texts, in order, and the golden answers."""

    texts: Sequence[str]
    golden: Mapping[str, Any]


class Engine(Protocol):
    def teacher(
        self, job: OutputJob, texts: Sequence[str], words: int, on_progress: OnProgress
    ) -> Sequence[str]: ...

    def artifact(
        self,
        job: OutputJob,
        exported: Exported,
        texts: Sequence[str],
        words: int,
        on_progress: OnProgress,
    ) -> Summaries: ...


def _silent(told: Told) -> None:
    """Nobody needs the progress of one text among many."""


def summaries(
    engine: Summarizer, texts: Sequence[str], words: int, on_progress: OnProgress
) -> list[str]:
    found = []
    for text in texts:
        made = engine.summarize(text, Wanted(words), tell=_silent, cancel=Cancel())
        found.append(made.text)
        on_progress(len(found) / len(texts))
    return found


class _Known:
    """An encoder that returns vectors computed earlier."""

    workers = 1
    version = ""

    def __init__(self, sentences: Sequence[str], vectors: np.ndarray) -> None:
        self._vectors = dict(zip(sentences, vectors, strict=True))

    def vector(self, text: str, *, alone: bool = True) -> tuple[np.ndarray, int]:
        return self._vectors[text], 1

    def close(self) -> None:
        self._vectors.clear()


class ExtractiveEngine:
    def teacher(
        self, job: OutputJob, texts: Sequence[str], words: int, on_progress: OnProgress
    ) -> Sequence[str]:
        # torch: not needed if all of this is in the store.
        from edgekit.training import predict

        sentences = list(dict.fromkeys(one for text in texts for one in _sentences(text)))
        vectors = predict.embeddings(
            job.checkpoint,
            sentences,
            prefix=job.prefix,
            max_tokens=job.max_tokens,
            on_progress=on_progress,
        )
        known: Encoder = _Known(sentences, vectors)
        return summaries(Extractive(known), texts, words, on_progress)

    def artifact(
        self,
        job: OutputJob,
        exported: Exported,
        texts: Sequence[str],
        words: int,
        on_progress: OnProgress,
    ) -> Summaries:
        tokenizer = TextTokenizer(
            job.checkpoint / TOKENIZER, prefix=job.prefix, max_tokens=job.max_tokens
        )
        with OnnxModel(exported.model.read_bytes, tokenizer, output=EMBEDDING) as model:
            found = summaries(Extractive(model), texts, words, on_progress)
            rows = spread(job.rows, GOLDEN_SENTENCES, total=True)
            inputs = [_sentences(row.text)[0] for row in rows]
            vectors = [model.vector(text)[0] for text in inputs]
        golden = {
            "inputs": inputs,
            "answers": [
                {"vector": [round(float(number), _DIGITS) for number in vector]}
                for vector in vectors
            ],
            "tolerance": GOLDEN_TOLERANCE,
        }
        return Summaries(found, golden)


def _sentences(text: str) -> list[str]:
    return [flat(text[span.start : span.end]) for span in spans(text)]

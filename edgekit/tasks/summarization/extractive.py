"""Summaries made of a text's own sentences, which say nothing that the text does not.

Every sentence is embedded. The summary keeps those most similar to all the others, the centre of
the text (degree centrality of the sentence graph: Erkan and Radev 2004, LexRank, section 3), and
least similar to those chosen already (maximal marginal relevance: Carbonell and Goldstein 1998).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from edgekit.artifact.folder import Artifact
from edgekit.data import words as counting
from edgekit.data.sentences import Span, flat, spans
from edgekit.errors import UnsupportedTask
from edgekit.runtime.engine import Asked, Probed
from edgekit.runtime.onnx import open_encoder
from edgekit.runtime.parallel import in_order
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization import choosing
from edgekit.tasks.summarization.summary import Sentence, Summary, Told, Wanted
from edgekit.tasks.summarization.vector import Vector

PART_SENTENCES = 64
"""How many sentences are reported as one part."""


def open_extractive(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> Extractive:
    encoder = open_encoder(artifact, files, asked)
    return Extractive(encoder, measured=encoder.measured)


class Encoder(Protocol):
    """Turns texts into vectors; OnnxModel is one."""

    @property
    def workers(self) -> int: ...

    @property
    def version(self) -> str: ...

    def vector(self, text: str, *, alone: bool = True) -> tuple[np.ndarray, int]: ...

    def close(self) -> None: ...


class Measured(Protocol):
    def __call__(self, text: str, *, alone: bool) -> tuple[np.ndarray, int, int]:
        """The vector of a text, the windows that it was read in, and its tokens."""


class Extractive:
    """A Summarizer on an encoder; safe to use from several threads."""

    def __init__(self, encoder: Encoder, *, measured: Measured | None = None) -> None:
        """`measured` is for those who ask for vectors: what the encoder reads, and how much that
        is."""
        self._encoder, self._measured_by = encoder, measured

    @property
    def version(self) -> str:
        return self._encoder.version

    def embed(self, text: str) -> np.ndarray:
        """The text's vector, float32 of shape (width,)."""
        # In the same session as sentences: another one would hold the model a second time.
        return self._vector(text)

    def embed_each(self, texts: Sequence[str], *, cancel: Cancel) -> Iterator[Vector]:
        """The vectors of texts in their order, until it is cancelled."""
        for found in in_order(self._measured, texts, workers=self._encoder.workers):
            if cancel.is_set():
                return
            yield found

    def probe(self) -> None:
        if isinstance(self._encoder, Probed):
            self._encoder.probe()

    def summarize(
        self,
        text: str,
        wanted: Wanted,
        *,
        tell: Callable[[Told], None] = lambda told: None,
        cancel: Cancel,
    ) -> Summary:
        found = spans(text)
        flats = [flat(text[span.start : span.end]) for span in found]
        parts = -(-len(found) // PART_SENTENCES)
        tell(Told(0, parts))
        distinct = list(dict.fromkeys(flats))
        vectors = self._embedded(distinct, flats, parts, tell, cancel)
        read = len(vectors)
        row = {sentence: number for number, sentence in enumerate(distinct)}
        known = [number for number, sentence in enumerate(flats) if row[sentence] < read]
        chosen = choosing.choose(
            [flats[number] for number in known],
            vectors[[row[flats[number]] for number in known]] if known else vectors,
            words=wanted.words,
        )
        sentences = [
            Sentence(flats[known[number]], found[known[number]].start) for number in chosen
        ]
        done = read == len(distinct)
        parts_read = parts if done else _whole_parts(flats, row, read)
        joined = _joined(sentences, found, [known[number] for number in chosen])
        tell(Told(parts_read, parts, joined))
        return Summary(
            text=joined,
            parts_read=parts_read,
            parts=parts,
            sentences=tuple(sentences),
            engine="extractive",
            language=wanted.language,
            cancelled=not done,
        )

    def close(self) -> None:
        self._encoder.close()

    def _embedded(
        self,
        distinct: Sequence[str],
        flats: Sequence[str],
        parts: int,
        tell: Callable[[Told], None],
        cancel: Cancel,
    ) -> np.ndarray:
        """The vectors of the sentences, or of those read before it was cancelled."""
        vectors = []
        share = len(flats) / max(1, len(distinct))
        for vector in in_order(self._vector, distinct, workers=self._encoder.workers):
            if cancel.is_set():
                break
            vectors.append(vector)
            if len(vectors) % PART_SENTENCES == 0:
                tell(Told(min(parts, int(len(vectors) * share) // PART_SENTENCES), parts))
        return np.stack(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)

    def _measured(self, text: str) -> Vector:
        if self._measured_by is None:
            raise UnsupportedTask(
                "This encoder gives vectors to a summary alone; load an artifact."
            )
        return Vector.of(*self._measured_by(text, alone=False))

    def _vector(self, sentence: str) -> np.ndarray:
        return self._encoder.vector(sentence, alone=False)[0]


def _whole_parts(flats: Sequence[str], row: dict[str, int], read: int) -> int:
    unread = (number for number, sentence in enumerate(flats) if row[sentence] >= read)
    return next(unread, len(flats)) // PART_SENTENCES


def _joined(sentences: Sequence[Sentence], found: Sequence[Span], places: Sequence[int]) -> str:
    """Joins sentences of one paragraph, with a space unless the script has none."""
    text = ""
    for number, sentence in enumerate(sentences):
        if number:
            near = found[places[number]].paragraph == found[places[number - 1]].paragraph
            text += counting.gap(text[-1:]) if near else "\n"
        text += sentence.text
    return text

"""Writes the summary of a text that fits into the window of an encoder-decoder model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import onnxruntime
import tokenizers

from edgekit import machine
from edgekit.artifact import Artifact, read_file
from edgekit.errors import ArtifactError
from edgekit.runtime.engine import Asked
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.seq2seq.network import Network
from edgekit.runtime.seq2seq.search import search
from edgekit.runtime.text import TOKENIZER, clean, guarded, load_tokenizer

OnPiece = Callable[[str], None]
# A summary may be so much longer than was asked for: it ends where its sentence does.
SLACK = 1.25


def open_model(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> Seq2SeqSummarizer:
    """The summarizer of an artifact. `files` holds the checked bytes of its models and tokenizer.

    The models' bytes are taken out of `files` when they are used, so that they are freed.
    """
    spec = artifact.manifest.model
    if spec.summary is None or set(spec.files) != {ENCODER, DECODER}:
        raise ArtifactError(
            f"{artifact.folder}: a summarizer that writes has {ENCODER} and {DECODER}; build it "
            "again."
        )
    return Seq2SeqSummarizer(
        lambda name: files.pop(name) if name in files else read_file(artifact, name),
        files.pop(TOKENIZER),
        Generation.from_json(spec.summary.generation),
        prefix=spec.prefix,
        max_tokens=spec.max_tokens,
        threads=asked.threads,
    )


class Seq2SeqSummarizer:
    """A Summarizer: shortens texts that fit into its window, one after the other."""

    def __init__(
        self,
        read_model: Callable[[str], bytes],
        tokenizer: bytes,
        generation: Generation,
        *,
        prefix: str = "",
        max_tokens: int,
        threads: int | None = None,
    ) -> None:
        """`read_model` gives the bytes of the file with a name: ENCODER or DECODER."""
        self._tokenizer = load_tokenizer(tokenizer)
        self._prefix = prefix
        self._generation = generation
        self.window = max_tokens - len(self._ids(""))
        self._network = Network(
            lambda: read_model(ENCODER),
            lambda: read_model(DECODER),
            threads=threads or min(2, machine.cores()),
        )

    @property
    def version(self) -> str:
        return f"onnxruntime {onnxruntime.__version__}, tokenizers {tokenizers.__version__}"

    def count(self, text: str) -> int:
        found = guarded(self._tokenizer.encode, clean(text), add_special_tokens=False)
        return len(found.ids)

    def shorten(self, text: str, *, words: int | None = None, on_piece: OnPiece) -> str:
        """The summary; `words` bounds it where the model's own settings allow more."""
        ids = self._ids(text)
        told = _Text(self._tokenizer, on_piece)
        self.pieces(ids, self._bounded(text, words), on_pieces=told.add)
        return told.finish()

    def pieces(
        self,
        ids: Sequence[int],
        generation: Generation,
        *,
        on_pieces: Callable[[Sequence[int]], None] = lambda pieces: None,
    ) -> list[int]:
        """The pieces of the summary of a text with these ids."""
        return search(self._network.read(ids), ids, generation, on_pieces=on_pieces)

    def _ids(self, text: str) -> list[int]:
        return list(guarded(self._tokenizer.encode, clean(self._prefix + text)).ids)

    def _bounded(self, text: str, words: int | None) -> Generation:
        settings = self._generation
        if words is None:
            return settings
        pieces_per_word = self.count(text) / max(1, len(text.split()))
        most = math.ceil(words * max(1.0, pieces_per_word) * SLACK) + 2
        if most >= settings.max_length:
            return settings
        return replace(settings, max_length=most, min_length=min(settings.min_length, most // 2))

    def close(self) -> None:
        self._network.close()


class _Text:
    """The text of pieces that come one by one, told in whole characters."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, on_piece: OnPiece) -> None:
        self._tokenizer = tokenizer
        self._on_piece = on_piece
        self._pieces: list[int] = []
        self._told = ""

    def add(self, pieces: Sequence[int]) -> None:
        self._pieces += pieces
        # A character of several bytes is not whole until its last piece has come.
        self._tell(self._text().rstrip("\ufffd"))

    def finish(self) -> str:
        text = self._text()
        self._tell(text)
        return text

    def _tell(self, text: str) -> None:
        """Also where there is nothing to tell: whoever wants to stop it does so here."""
        self._on_piece(text[len(self._told) :])
        self._told = text

    def _text(self) -> str:
        found: str = guarded(self._tokenizer.decode, self._pieces, skip_special_tokens=True)
        return found.strip()

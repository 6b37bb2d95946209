"""Writes what an encoder-decoder makes of a text that fits into its window: its summary, or its
translation. Knows nothing of longer texts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import tokenizers

from edgekit.artifact.specs import Frame
from edgekit.errors import ArtifactError, ContextOverflow
from edgekit.runtime.ort import onnxruntime
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from edgekit.runtime.seq2seq.generation import Generation, bounded
from edgekit.runtime.seq2seq.network import Network, Opener
from edgekit.runtime.seq2seq.search import OnPieces, search
from edgekit.runtime.sessions import open_session
from edgekit.runtime.tokens import TextTokenizer, clean, guarded
from edgekit.system import machine

OnPiece = Callable[[str], None]


class Seq2SeqWriter:
    """A Shortener: answers texts that fit into its window, one after the other."""

    def __init__(
        self,
        read_model: Callable[[str], bytes],
        tokenizer: bytes,
        generation: Generation,
        *,
        prefix: str = "",
        max_tokens: int,
        threads: int | None = None,
        open_one: Opener = open_session,
    ) -> None:
        """`read_model` returns the bytes of the file with a name: ENCODER or DECODER."""
        self._max_tokens = max_tokens
        self._network = Network(
            lambda: read_model(ENCODER),
            lambda: read_model(DECODER),
            threads=threads or min(2, machine.cores()),
            open_one=open_one,
        )
        self._read_with(TextTokenizer(tokenizer, prefix=prefix, max_tokens=max_tokens), generation)

    def _read_with(self, encoder: TextTokenizer, generation: Generation) -> None:
        self._encoder, self._generation = encoder, generation
        self.window = self._max_tokens - len(self.first_window(""))
        self._begun: tuple[int, ...] = (generation.decoder_start_token_id,)

    def framed(self, frame: Frame) -> Seq2SeqWriter:
        """The same model, which is closed once, for texts with these tokens around them."""
        found = copy.copy(self)
        generation = self._generation
        if frame.first is not None:
            generation = replace(generation, forced_bos_token_id=frame.first)
        encoder = TextTokenizer(self._encoder.tokenizer, max_tokens=self._max_tokens, frame=frame)
        found._read_with(encoder, generation)
        if frame.first is not None:
            found._begun = (*found._begun, frame.first)
        return found

    @property
    def version(self) -> str:
        return f"onnxruntime {onnxruntime.__version__}, tokenizers {tokenizers.__version__}"

    def probe(self) -> None:
        """As OnnxModel.probe, with the first token of each summary."""
        for ids in (part.ids for part in self._encoder.edges()):
            (scores,) = self._network.read(ids).next([self._generation.decoder_start_token_id], [0])
            if not np.isfinite(scores).all():
                raise ArtifactError(f"The answer to {len(ids)} tokens is not a number.")

    def count(self, text: str) -> int:
        found = guarded(self._encoder.tokenizer.encode, clean(text), add_special_tokens=False)
        return len(found.ids)

    def shorten(self, text: str, *, words: int | None = None, on_piece: OnPiece) -> str:
        """The summary; `words` bounds it if the model's own settings allow more.

        Raises ContextOverflow for a text that does not fit into the window.
        """
        windows = self._encoder.windows(text)
        if len(windows) > 1:
            raise ContextOverflow(
                f"A text of {self.count(text)} tokens does not fit into the {self.window} that the "
                "model reads at once; split it into parts."
            )
        return self.answer(windows[0], self._settings(text, words), on_piece=on_piece)

    def windows(self, text: str) -> list[list[int]]:
        """The ids of the text; of one that does not fit into the window, part by part."""
        return self._encoder.windows(text)

    def answer(
        self,
        ids: Sequence[int],
        generation: Generation | None = None,
        *,
        on_piece: OnPiece = lambda piece: None,
    ) -> str:
        """The text of `pieces`."""
        told = _Text(self._encoder.tokenizer, on_piece)
        self.pieces(ids, generation, on_pieces=told.add)
        return told.finish()

    def beginning(self, text: str) -> str:
        """The summary of a text, or of as much of it as fits into the window."""
        return self.answer(self.first_window(text))

    def pieces(
        self,
        ids: Sequence[int],
        generation: Generation | None = None,
        *,
        on_pieces: OnPieces = lambda pieces: None,
    ) -> list[int]:
        """The tokens of the answer to the text with these ids, by the model's own settings unless
        others are given."""
        settings = self._generation if generation is None else generation
        return search(self._network.read(ids), ids, settings, on_pieces=on_pieces)

    def logits(self, ids: Sequence[int], pieces: Sequence[int]) -> np.ndarray:
        """The logits that predict each of these tokens: (tokens, vocabulary)."""
        reading = self._network.read(ids)
        before = [self._generation.decoder_start_token_id, *pieces[:-1]]
        return np.concatenate([reading.next([piece], [0]) for piece in before])

    def greedy(self, text: str, count: int) -> list[tuple[int, float]]:
        """The likeliest tokens after those that are forced, and the margin of each over the
        runner-up, in logits."""
        reading = self._network.read(self.first_window(text))
        found: list[tuple[int, float]] = []
        *before, piece = self._begun
        for one in before:
            reading.next([one], [0])
        while len(found) < count:
            (scores,) = reading.next([piece], [0])
            piece, second = (int(one) for one in np.argsort(-scores, kind="stable")[:2])
            found.append((piece, float(scores[piece] - scores[second])))
            if piece in self._generation.eos_token_ids:
                break
        return found

    def first_window(self, text: str) -> list[int]:
        """The ids of a text, or of as much of it as fits into the window."""
        return self._encoder.windows(text)[0]

    def _settings(self, text: str, words: int | None) -> Generation:
        if words is None:
            return self._generation
        return bounded(self._generation, text, tokens=self.count(text), words=words)

    def close(self) -> None:
        self._network.close()


class _Text:
    """The text of tokens that arrive one by one, reported in whole characters."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, on_piece: OnPiece) -> None:
        self._tokenizer = tokenizer
        self._on_piece = on_piece
        self._pieces: list[int] = []
        self._told = ""

    def add(self, pieces: Sequence[int]) -> None:
        self._pieces += pieces
        # A character of several bytes is not complete until its last token has come.
        self._tell(self._text().rstrip("\ufffd"))

    def finish(self) -> str:
        text = self._text()
        self._tell(text)
        return text

    def _tell(self, text: str) -> None:
        """Called even without new text: whoever wants to cancel does so here."""
        self._on_piece(text[len(self._told) :])
        self._told = text

    def _text(self) -> str:
        found: str = guarded(self._tokenizer.decode, self._pieces, skip_special_tokens=True)
        return found.strip()

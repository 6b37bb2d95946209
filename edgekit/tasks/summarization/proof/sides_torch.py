"""A teacher in PyTorch as a summarizer: the other side of a summarizer's bench. Times nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.checkpoint import models
from edgekit.checkpoint.describe import describe
from edgekit.runtime.seq2seq.generation import Generation, bounded
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer, clean
from edgekit.system.cancel import Cancel
from edgekit.tables import Family
from edgekit.tasks.summarization.extractive import Extractive
from edgekit.tasks.summarization.summary import Summary, Told, Wanted
from edgekit.tasks.summarization.written import Shortening, Writing

Tell = Callable[[Told], None]


def summarizer(
    folder: Path, *, prefix: str, max_tokens: int, words: int, generation: Mapping[str, Any]
) -> Callable[[str, Tell], Summary]:
    """Reads and joins parts as the runtime does; `generation` is the artifact's."""
    encoder = TextTokenizer(folder / TOKENIZER, prefix=prefix, max_tokens=max_tokens)
    wanted = Wanted(words)
    if describe(folder).family is not Family.SEQ2SEQ:
        chooser = Extractive(_Vectors(folder, encoder))
        return lambda text, tell: chooser.summarize(text, wanted, tell=tell, cancel=Cancel())
    writer = _Writer(folder, encoder, Generation.from_json(generation), max_tokens)

    def summarize(text: str, tell: Tell) -> Summary:
        return Writing(
            Shortening(writer), wanted, engine="seq2seq", model="", tell=tell, cancel=Cancel()
        ).summary(text)

    return summarize


class _Writer:
    """A Shortener: transformers' `generate`, with as many beams and tokens as the artifact."""

    def __init__(
        self, folder: Path, encoder: TextTokenizer, generation: Generation, max_tokens: int
    ) -> None:
        self._model: Any = models.load_seq2seq(folder)
        self._encoder, self._generation = encoder, generation
        self.window = max_tokens - len(encoder.windows("")[0])

    def count(self, text: str) -> int:
        found = self._encoder.tokenizer.encode(clean(text), add_special_tokens=False)
        return len(found.ids)

    def shorten(self, text: str, *, words: int, on_piece: Callable[[str], None]) -> str:
        settings = bounded(self._generation, text, tokens=self.count(text), words=words)
        pieces = torch.tensor([self._encoder.windows(text)[0]])
        with torch.inference_mode():
            found = self._model.generate(
                pieces,
                attention_mask=torch.ones_like(pieces),
                do_sample=False,
                num_beams=settings.num_beams,
                max_length=settings.max_length,
                min_length=settings.min_length,
            )
        summary = self._encoder.tokenizer.decode(found[0].tolist(), skip_special_tokens=True)
        on_piece(summary)
        return str(summary).strip()


class _Vectors:
    """An Encoder: the mean of a sentence's last hidden states."""

    workers = 1
    version = ""

    def __init__(self, folder: Path, encoder: TextTokenizer) -> None:
        self._model: Any = models.load_encoder(folder)
        self._encoder = encoder

    def vector(self, text: str, *, alone: bool = True) -> tuple[np.ndarray, int]:
        windows = list(self._encoder.windows(text))
        with torch.inference_mode():
            states = [self._model(input_ids=torch.tensor([ids])) for ids in windows]
        means = [one.last_hidden_state[0].mean(dim=0).numpy() for one in states]
        return np.mean(means, axis=0), len(windows)

    def close(self) -> None:
        """The process ends with it."""

"""A teacher in PyTorch as a translator: the other side of a translator's bench. Times nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from edgekit.artifact.specs import Frame
from edgekit.checkpoint import models
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
from edgekit.tasks.translation.engine import translated
from edgekit.tasks.translation.translated import Translation
from edgekit.wording.directions import split


def translator(
    folder: Path,
    *,
    max_tokens: int,
    direction: str,
    frame: Frame,
    generation: Mapping[str, Any],
) -> Callable[[str], Translation]:
    """Cuts texts and joins translations as the runtime does; `generation` is the artifact's."""
    source, target = split(direction) or ("", "")
    window = _Window(folder, frame, Generation.from_json(generation), max_tokens)
    return lambda text: translated(window, text, source=source, target=target)


class _Window:
    """transformers' `generate`, with as many beams and tokens as the artifact."""

    def __init__(self, folder: Path, frame: Frame, generation: Generation, max_tokens: int) -> None:
        self._model: Any = models.load_seq2seq(folder)
        self._encoder = TextTokenizer(folder / TOKENIZER, max_tokens=max_tokens, frame=frame)
        self._asked: dict[str, Any] = {
            "num_beams": generation.num_beams,
            "max_length": generation.max_length,
        }
        if frame.first is not None:
            self._asked["forced_bos_token_id"] = frame.first

    def windows(self, text: str) -> list[list[int]]:
        return self._encoder.windows(text)

    def answer(self, ids: Sequence[int]) -> str:
        pieces = torch.tensor([list(ids)])
        with torch.inference_mode():
            found = self._model.generate(
                pieces, attention_mask=torch.ones_like(pieces), do_sample=False, **self._asked
            )
        text = self._encoder.tokenizer.decode(found[0].tolist(), skip_special_tokens=True)
        return str(text).strip()

"""From rows to the token windows that a language model learns and is measured on. No torch.

A row becomes the tokens that the exported model will read: conversations through the checkpoint's
chat template, texts unchanged.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from edgekit.checkpoint import chat_template
from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.decoders import DECODERS
from edgekit.data.places import placed
from edgekit.data.rows import Message, Row
from edgekit.data.spread import NO_LANGUAGE, fill
from edgekit.errors import StepError
from edgekit.recipe.dataset import Dataset
from edgekit.runtime import rendering


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens of one row that are read at once, at least two."""

    ids: tuple[int, ...]
    answers: tuple[bool, ...]
    """Whether the model itself writes each token: in a conversation the assistant's turns, in a
    text everything. Empty where nobody asked."""
    language: str
    """NO_LANGUAGE where the row names none."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns rows into windows the way one checkpoint reads them."""

    tokenizer: Tokenizer
    template: str | None
    bos: str
    eos: str
    bos_id: int | None
    """The token that begins every window of a row that begins with it."""

    def windows(self, row: Row, *, size: int, answers: bool = False) -> Iterator[Window]:
        """A longer row takes several. Raises StepError for a conversation without a template."""
        with placed(row.place):
            encoded = self._encode(row)
            ids, told = encoded.ids, self._answers(row, encoded) if answers else []
        first = 1 if ids and ids[0] == self.bos_id else 0
        step = size - first
        for start in range(first, len(ids), step):
            part = (*ids[:first], *ids[start : start + step])
            own = (*told[:first], *told[start : start + step])
            if len(part) >= 2:
                yield Window(part, own, row.language or NO_LANGUAGE)

    def _encode(self, row: Row) -> Encoding:
        if not row.messages:
            return self.tokenizer.encode(row.text)
        whole = self._render(row.messages, answer_next=False)
        return self.tokenizer.encode(whole, add_special_tokens=False)

    def _answers(self, row: Row, encoded: Encoding) -> list[bool]:
        messages = row.messages
        if not messages:
            return [True] * len(encoded.ids)
        whole, answers = self._render(messages, answer_next=False), [False] * len(encoded.ids)
        for number, turn in enumerate(messages):
            if turn["role"] != "assistant":
                continue
            begin = self._render(messages[:number], answer_next=True)
            end = self._render(messages[: number + 1], answer_next=False)
            if not whole.startswith(end):  # some templates end a whole conversation with `eos`
                end = end.removesuffix(self.eos)
            # Some render earlier turns differently from the last: those teach nothing.
            if whole.startswith(end) and end.startswith(begin):
                for token, (first, _) in enumerate(encoded.offsets):
                    answers[token] |= len(begin) <= first < len(end)
        return answers

    def _render(self, messages: Sequence[Message], *, answer_next: bool) -> str:
        if not messages:
            return ""
        if self.template is None:
            raise StepError(rendering.NO_TEMPLATE)
        return rendering.render_row(
            self.template, messages, bos=self.bos, eos=self.eos, answer_next=answer_next
        )


def reader(checkpoint: Path, *, model_type: str, rows: int) -> Reader:
    """`rows` is the number of rows of the embedding; CheckpointError if the tokenizer disagrees."""
    vocabulary = tokenizing.read(checkpoint, rows=rows, architecture=DECODERS[model_type])
    return Reader(
        tokenizing.load(checkpoint),
        chat_template.read(checkpoint),
        vocabulary.text("bos"),
        vocabulary.text("eos"),
        vocabulary.specials.get("bos"),
    )


def training_rows(dataset: Dataset, languages: Sequence[str]) -> list[Row]:
    """Training rows and unlabelled texts; the latter get the language where there is only one."""
    only = languages[0] if len(languages) == 1 else None
    return [*dataset.train, *(Row.of(one, language=only) for one in dataset.unlabeled)]


def choose(
    reader: Reader,
    rows: Sequence[Row],
    *,
    size: int,
    tokens: int,
    seed: int,
    answers: bool = False,
) -> list[Window]:
    """About `tokens` tokens of the rows, an equal share for each language, drawn by `seed`.

    Where a language has less than its share, the others get the rest.
    """
    piles: dict[str, list[Window]] = {}
    read: Counter[str] = Counter()
    for row in random.Random(seed).sample(list(rows), len(rows)):
        name = row.language or NO_LANGUAGE
        if read[name] < tokens:  # no language may take more
            for window in reader.windows(row, size=size, answers=answers):
                piles.setdefault(name, []).append(window)
                read[name] += len(window.ids)
    taken = fill({name: [len(one.ids) for one in own] for name, own in piles.items()}, tokens)
    return [one for name in sorted(piles) for one in piles[name][: taken[name]]]

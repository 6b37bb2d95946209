"""A file's text for a message: as much of it as a chat has room for. Knows no screens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.data.documents import Document
from edgekit.data.sentences import spans
from edgekit.errors import DataError
from edgekit.runtime.memory import context_of
from edgekit_tui.history import ChatSettings, Turn
from edgekit_tui.i18n import _
from edgekit_tui.models import Answerer
from edgekit_tui.transcript import LETTERS_A_TOKEN, for_model

# Room for the answer, unless the chat's settings say another, and for the question about the file.
_ANSWER_TOKENS, _QUESTION_TOKENS = 256, 128


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    text: str
    """The whole text, or its beginning up to the end of a sentence."""
    share: float
    """How much of the text that is."""
    page: int | None
    """The last page of it, in a file that has pages."""

    @property
    def message(self) -> str:
        return f"{self.name}:\n\n{self.text}\n\n"


def attach(
    document: Document,
    name: str,
    *,
    model: Answerer,
    turns: Sequence[Turn],
    settings: ChatSettings,
) -> Attachment:
    """As much of a text as fits behind these turns. Raises DataError where no sentence does."""
    text = document.text.strip()
    start = document.text.find(text[:1])
    left = _room(model, turns, settings) - model.count(f"{name}:\n\n")
    whole = len(text) <= max(0, left) * LETTERS_A_TOKEN and model.count(text) <= left
    end = len(text) if whole else _end(text, model, left)
    if not end:
        raise DataError(
            _("The memory of this chat has no room for a sentence of {name}; begin a new chat.")
            .format(name=name)
        )  # fmt: skip
    page = document.page(start + end - 1)
    return Attachment(name, text[:end], end / len(text), page)


def _room(model: Answerer, turns: Sequence[Turn], settings: ChatSettings) -> int:
    """The tokens that a message may still have."""
    context = context_of(model.manifest, None)
    answer = min(settings.max_tokens or _ANSWER_TOKENS, context // 4)
    question = Turn(0, "user", " ")
    said = model.count(for_model([*turns, question], settings.system))
    return context - said - answer - min(_QUESTION_TOKENS, context // 8)


def _end(text: str, model: Answerer, left: int) -> int:
    """Where the last sentence ends with which the text has at most `left` tokens; 0 for none."""
    ends = [span.end for span in spans(text[: max(0, left) * LETTERS_A_TOKEN])]
    fits, over = 0, len(ends) + 1
    while over - fits > 1:
        middle = (fits + over) // 2
        if model.count(text[: ends[middle - 1]]) <= left:
            fits = middle
        else:
            over = middle
    return ends[fits - 1] if fits else 0

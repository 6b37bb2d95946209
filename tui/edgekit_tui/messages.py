"""What threads tell the screens. Everything in a message is a value; no message holds a widget."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from edgekit.tasks.classification import Answer
from edgekit_tui.found import Found


@dataclass
class ArtifactsFound(Message):
    found: list[Found]


@dataclass
class Answered(Message):
    """A text has its labels."""

    text: str
    answer: Answer
    seconds: float | None


@dataclass
class Weighed(Message):
    """What the words of a text are worth to its label."""

    text: str
    words: list[tuple[str, float]]


@dataclass
class Failed(Message):
    """Work that could not be done, in a sentence."""

    sentence: str

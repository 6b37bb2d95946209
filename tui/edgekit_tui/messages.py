"""Messages from threads to screens. Everything in a message is a value; none holds a widget."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from textual.message import Message

from edgekit.artifact.folder import Manifest
from edgekit.data.documents import Document
from edgekit.data.inputs import Input
from edgekit.data.reading import Form, Reading
from edgekit.data.records import Record
from edgekit.tasks.classification.answer import Answer
from edgekit_tui.answering import Answering, Ending
from edgekit_tui.attaching import Attachment
from edgekit_tui.building import Ended, StepEvent
from edgekit_tui.corrections import Corrections
from edgekit_tui.found import Found
from edgekit_tui.history import Chat, Turn
from edgekit_tui.labelling import LabelJob, Pace
from edgekit_tui.recent import Anything
from edgekit_tui.results import Query, Result
from edgekit_tui.summarizing import Made, SummaryJob
from edgekit_tui.translating import Translated


@dataclass
class ArtifactsFound(Message):
    found: list[Found]
    waiting: dict[str, int] = field(default_factory=dict)
    """By artifact, how many corrected labels were not saved yet; the most first."""
    recent: list[Anything] = field(default_factory=list)


@dataclass
class RecentFound(Message):
    found: list[Anything]


@dataclass
class Answered(Message):
    """A text, or a pair of texts, has its labels."""

    text: Input
    answer: Answer
    seconds: float | None


@dataclass
class Doubted(Message):
    """A text's language, where the artifact was not judged in it."""

    text: Input
    language: str | None


@dataclass
class Weighed(Message):
    """How much each word of a text contributes to its label."""

    text: str
    words: list[tuple[str, float]]


@dataclass
class Failed(Message):
    """Work that failed, in a sentence."""

    sentence: str


@dataclass
class Said(Message):
    """The current state of long work, in words."""

    text: str


@dataclass
class RowsRead(Message):
    """The first rows of a file, and how they were read."""

    rows: list[Record]
    reading: Reading
    form: Form


@dataclass
class Paced(Message):
    """The progress of a labelling run."""

    pace: Pace


@dataclass
class Labelled(Message):
    """A whole file has its labels, and an index of them."""

    job: LabelJob


@dataclass
class PageRead(Message):
    """The result of a query on the results."""

    query: Query
    rows: list[Result]
    count: int
    by_label: dict[str, int]
    corrected: int = 0
    """Labels that were corrected with this artifact, whichever file they are in."""


@dataclass
class LanguagesSeen(Message):
    """Of so many texts of a file, how many are in languages that the artifact was not judged in."""

    texts: int
    unjudged: dict[str, int]


@dataclass
class Exported(Message):
    path: Path
    rows: int
    notes: tuple[str, ...] = ()
    """What could not be kept, in words."""


@dataclass
class CorrectionsSaved(Message):
    path: Path
    rows: int


@dataclass
class ToReview(Message):
    """The rows to review, the available labels, and where corrections go."""

    rows: list[Result]
    labels: tuple[str, ...]
    corrections: Corrections


@dataclass
class Progressed(Message):
    """Bytes done, out of the total."""

    done: int
    total: int


@dataclass
class Brought(Message):
    """An artifact was imported."""

    folder: Path


@dataclass
class Moved(Message):
    """The data folder has changed."""

    folder: Path


@dataclass
class Verified(Message):
    """Every file and every golden answer of an artifact is right."""

    files: int
    answers: int


@dataclass
class BuildSaid(Message):
    said: StepEvent | str


@dataclass
class BuildEnded(Message):
    ended: Ended


@dataclass
class ChatOpened(Message):
    """A chat with its last turns, and how many come before them."""

    chat: Chat
    turns: list[Turn]
    earlier: int


@dataclass
class TurnsRead(Message):
    """More turns of a chat: those before a turn or after it."""

    chat: int
    turn: int
    turns: list[Turn]
    before: bool


@dataclass
class Kept(Message):
    """What the user said is on disk, and these are the last turns of the chat."""

    chat: Chat
    text: str
    turns: list[Turn]
    earlier: int


@dataclass
class NotKept(Message):
    sentence: str


@dataclass
class AnswerGrew(Message):
    answering: Answering


@dataclass
class AnswerEnded(Message):
    answering: Answering
    ending: Ending


@dataclass
class AnswerFailed(Message):
    answering: Answering
    sentence: str
    full: bool
    """Whether the chat is longer than the model can read."""


@dataclass
class Attached(Message):
    """A file's text, as far as the chat has room for it."""

    attachment: Attachment


@dataclass
class ModelOpened(Message):
    """The chat model that answers from now on, and those that could, by their folders."""

    folder: Path
    manifest: Manifest
    others: dict[str, str]


@dataclass
class DocumentRead(Message):
    """A text to summarize or to translate, and how many words it has."""

    document: Document
    words: int
    name: str
    source: Path | None


@dataclass
class PagesRead(Message):
    """How far a long file was read."""

    name: str
    read: int
    pages: int


@dataclass
class CanSummarize(Message):
    """A model is open; with the extractive summarizers that could choose what it reads."""

    manifest: Manifest
    choosers: list[Found]
    left: SummaryJob | None = None
    """A text that was left without a summary."""


@dataclass
class Summarized(Message):
    made: Made


@dataclass
class CanTranslate(Message):
    """A translator is open."""

    manifest: Manifest


@dataclass
class TranslationMade(Message):
    made: Translated


@dataclass
class ChatsFound(Message):
    query: str
    chats: list[Chat]

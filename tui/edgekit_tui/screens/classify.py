"""Classify: type or paste a text and see its labels while typing, and which words mattered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea
from textual.worker import get_current_worker

from edgekit.artifact.manifest import Manifest
from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.classification.judged_in import unjudged
from edgekit_tui import importance, speed
from edgekit_tui.i18n import N_, _, duration, language_name, ngettext, number
from edgekit_tui.messages import Answered, Doubted, Weighed
from edgekit_tui.screens.page import Page
from edgekit_tui.text import clean, content
from edgekit_tui.widgets.field import TextField
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.scores import Scores
from edgekit_tui.widgets.words import Words

# Pause after the last key before the model is asked: it should not answer half-typed words.
PAUSE_SECONDS = 0.25
# A shorter wait for the words that mattered is not mentioned.
_LONG_SECONDS = 2.0


class ClassifyScreen(Page):
    TITLE_TEXT = N_("Classify")
    HELP_TEXT = N_(
        "Type or paste a text; its labels appear while you type. The words that mattered most for "
        "the label are underlined: each word was left out once to see how the score falls."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+f", "file", N_("Label a file"), id="classify.file"),
        Binding("ctrl+l", "clear", N_("Clear"), id="classify.clear"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.text = ""
        self.pair = ""
        """The second text, where the artifact takes pairs."""
        self._pairs = False
        self._answer: Answer | None = None
        self._timer: Timer | None = None
        self._facts: list[str] = []
        self._several = False

    def body(self) -> Iterable[Widget]:
        yield TextField(self.text, id="text", placeholder=_("Type or paste a text here"))
        second = TextField(
            self.pair, id="pair", placeholder=_("Type or paste the second text here")
        )
        second.display = self._pairs
        yield second
        with VerticalScroll(id="answer", can_focus=False):
            yield Notice(id="notice")
            yield Scores(id="scores")
            yield Static("", id="doubt", markup=False)
            yield Static(
                _("WORDS THAT MATTERED"), id="words-heading", classes="heading", markup=False
            )
            yield Words(id="words")
            yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self.query_one("#text").focus()
        self._show(None)
        self._say(_("Opening the model…"))
        self.load()

    @work(thread=True, exclusive=True, group="model")
    def load(self) -> None:
        with self.reporting():
            manifest = self.edgekit.models.get(self.folder).manifest
            self.app.call_from_thread(self._ready, manifest)

    def _ready(self, manifest: Manifest) -> None:
        name, labels = manifest.name, len(manifest.labels)
        self._several = manifest.model.thresholds is not None
        self._pairs = manifest.model.pairs
        self.query_one("#pair").display = self._pairs
        counted = ngettext("{count} label", "{count} labels", labels)
        self.top.say(f"{name} · {counted.format(count=number(labels))}")
        self._say("")
        self._ask()

    @on(TextArea.Changed)
    def typed(self, event: TextArea.Changed) -> None:
        if event.text_area.id == "pair":
            self.pair = event.text_area.text
        else:
            self.text = event.text_area.text
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE_SECONDS, self._ask)

    @property
    def given(self) -> Input:
        """What the model is asked about."""
        return (self.text, self.pair) if self._pairs else self.text

    @property
    def waiting(self) -> bool:
        """Whether the user may still be typing."""
        return self._timer is not None

    def _ask(self) -> None:
        self._timer = None
        if all(text.strip() for text in inputs.texts(self.given)):
            self.classify(self.given)
        else:
            self.workers.cancel_group(self, "answer")
            self._show(None)

    @work(thread=True, exclusive=True, group="answer")
    def classify(self, text: Input) -> None:
        """The answer first; then, while nobody types, the weights of the words of a single text."""
        worker = get_current_worker()
        with self.reporting():
            answer = self.edgekit.models.answer(self.folder, text)
            if worker.is_cancelled:
                return
            self.post_message(Answered(text, answer, self.edgekit.models.seconds_per_text()))
            # Afterwards: the first language that is detected takes a second.
            manifest = self.edgekit.models.get(self.folder).manifest
            self.post_message(Doubted(text, unjudged(manifest, text)))
            if isinstance(text, str) and 1 < importance.words(text) <= importance.MOST_WORDS:
                weights = []
                for weight in importance.weigh(self.edgekit.models.get(self.folder), text, answer):
                    weights.append(weight)
                    if worker.is_cancelled:
                        return
                self.post_message(Weighed(text, weights))

    @on(Answered)
    def take_answer(self, message: Answered) -> None:
        if message.text != self.given:
            return  # the user kept typing
        self._show(message.answer)
        facts = []
        if message.answer.parts > 1:
            parts = ngettext("read in {count} part", "read in {count} parts", message.answer.parts)
            facts.append(parts.format(count=number(message.answer.parts)))
        if message.seconds is not None:
            facts += speed.of_answering(message.seconds)
        self._facts = facts
        self._say(" · ".join([*facts, *self._weighing(message)]))

    @on(Doubted)
    def take_doubt(self, message: Doubted) -> None:
        if message.text == self.given and self._answer is not None:
            self._say_doubt(self._answer, message.language)

    def _say_doubt(self, answer: Answer | None, language: str | None = None) -> None:
        said = []
        if answer is not None and answer.familiar is False:
            said.append(_("This looks like nothing that the model was taught."))
        if language is not None:
            text = _("It seems to be in a language that the model was not judged in: {language}.")
            said.append(text.format(language=language_name(language)))
        doubt = self.query_one("#doubt", Static)
        doubt.update(content("\n".join(said)))
        doubt.display = bool(said)

    def _weighing(self, message: Answered) -> list[str]:
        """How long the words take; each is left out once in the background."""
        words = importance.words(message.text) if isinstance(message.text, str) else 0
        left = (message.seconds or 0.0) * words
        if left < _LONG_SECONDS or not 1 < words <= importance.MOST_WORDS:
            return []
        return [_("which words mattered is known in {time}").format(time=duration(left))]

    @on(Weighed)
    def take_weights(self, message: Weighed) -> None:
        if message.text == self.text:
            self._say(" · ".join(self._facts))
            self.query_one("#words", Words).show(message.words)
            for name in ("#words-heading", "#words"):
                self.query_one(name).display = True

    def fail(self, sentence: str) -> None:
        self._say("")
        self._show(None)
        super().fail(sentence)

    def _show(self, answer: Answer | None) -> None:
        self._answer = answer
        self.query_one("#notice", Notice).clear_text()
        for name in ("#words-heading", "#words"):
            self.query_one(name).display = False
        scores = self.query_one("#scores", Scores)
        if answer is None:
            scores.show({})
        else:
            given = answer.labels if self._several else None
            scores.show(answer.scores, abstained=answer.abstained, given=given)
        self._say_doubt(answer)

    def _say(self, text: str) -> None:
        self.query_one("#status", Static).update(clean(text))

    def action_clear(self) -> None:
        for name in ("#text", "#pair"):
            self.query_one(name, TextField).text = ""

    def action_file(self) -> None:
        self.edgekit.open_screen("file", self.folder)

"""Summarize, first: a text that is typed, pasted or in a file; the length of its summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, OptionList, Static, TextArea

from edgekit.artifact.folder import Manifest
from edgekit.errors import EdgekitError
from edgekit.tasks.summarization.summary import WORDS
from edgekit_tui import last_summary, models, places
from edgekit_tui.found import Found
from edgekit_tui.i18n import N_, _, duration, in_words
from edgekit_tui.messages import CanSummarize, DocumentRead
from edgekit_tui.screens.giving import GivingPage, counted_words
from edgekit_tui.screens.summary import FOREVER_NOTHING
from edgekit_tui.settings import Setting
from edgekit_tui.summarizing import SummaryJob, rate_key, writes
from edgekit_tui.widgets.choices import Choices
from edgekit_tui.widgets.field import MOST_PASTED, LongTextField
from edgekit_tui.widgets.notice import Notice

LENGTHS = (30, 60, 120, 250, 500, 1000)
_ALL, _FAST = "all", "fast"


class SummarizeScreen(GivingPage):
    TITLE_TEXT = N_("Summarize")
    HELP_TEXT = N_(
        "Type or paste a text, or open a file with ctrl f; ctrl s summarizes it. Tab goes to the "
        "settings below, left and right change them. All of the text is read, however long it is."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "go", N_("Summarize"), id="summarize.go"),
        Binding("ctrl+f", "file", N_("Open a file"), id="summarize.file"),
        Binding("ctrl+l", "clear", N_("Clear"), id="summarize.clear"),
    ]

    def __init__(self, folder: Path, given: SummaryJob | None = None) -> None:
        """`given` is what was to be summarized before."""
        super().__init__()
        self.folder = folder
        self._manifest: Manifest | None = None
        self._opening = False
        self._choosers: Sequence[Found] = ()
        self._words = WORDS
        self._fast = False
        self._kept: str | None = None
        """The text that stays when one leaves the page."""
        if given is not None:
            self._take(given)

    def _take(self, job: SummaryJob) -> None:
        self._words, self._fast = job.words, job.chooser is not None
        self._kept = job.document.text
        if not job.name and len(job.document.text) <= MOST_PASTED:
            self.text = job.document.text
        else:
            self.read_text = DocumentRead(job.document, job.text_words, job.name, job.source)

    def body(self) -> Iterable[Widget]:
        yield from self.given_body()
        yield Notice(id="notice")
        yield Choices(self._settings(), id="choices")
        yield Static("", classes="muted", id="about", markup=False)
        yield Static("", id="status", markup=False)
        yield Button(Content(_("Summarize")), id="go", classes="-primary")

    def fill(self) -> None:
        self.show_given()
        self._show_choices()
        if self._manifest is None:
            self._opening = True
            self._say_estimate()
            self.load()
        else:
            self._say_ready(self._manifest)

    async def on_screen_resume(self) -> None:
        """A finished summary has measured how fast the model is."""
        await super().on_screen_resume()
        self._say_estimate()

    @work(thread=True, exclusive=True, group="model")
    def load(self) -> None:
        with self.reporting():
            manifest = self.edgekit.models.get(self.folder).manifest
            choosers = [found for found in self.edgekit.find() if _chooses(found)]
            left = last_summary.read()
            job = left[0] if left is not None and left[1] is None else None
            self.post_message(CanSummarize(manifest, choosers if writes(manifest) else [], job))

    @on(CanSummarize)
    def take_model(self, message: CanSummarize) -> None:
        self._manifest, self._choosers = message.manifest, message.choosers
        spec = message.manifest.model.summary
        if spec is not None and self._words == WORDS:
            self._words = spec.words
        if message.left is not None and self._kept is None and not self._has_text:
            self._take(message.left)
            with self.prevent(TextArea.Changed):
                self.query_one("#text", LongTextField).text = self.text
            self.show_given()
        self._show_choices()
        self._say_ready(message.manifest)

    @property
    def _has_text(self) -> bool:
        return self.read_text is not None or bool(self.text.strip())

    def _say_ready(self, manifest: Manifest) -> None:
        self.top.say(manifest.name)
        self._say_estimate()

    def given_changed(self) -> None:
        self._say_estimate()

    def after_reading(self) -> None:
        self.query_one(Choices).focus()

    def action_clear(self) -> None:
        self._kept = ""
        self.forget_text()
        super().action_clear()

    def action_back(self) -> None:
        """The text stays for the next time, unless its summary is there already."""
        if self._has_text and self.edgekit.values["keep"] != FOREVER_NOTHING:
            with suppress(EdgekitError):  # no words, which are nothing to keep
                job = self._job()
                if job.document.text != self._kept:
                    # Not this page's worker: the page is gone before it has begun.
                    self.app.run_worker(partial(_keep, job), thread=True)
        super().action_back()

    @work(thread=True, group="keep")
    def forget_text(self) -> None:
        """What was left without a summary; one that was made stays until another is."""
        with self.reporting(places.summaries()):
            about = last_summary.about()
            if about is not None and not about.summarized:
                last_summary.remove()

    # The settings.

    def _settings(self) -> list[Setting]:
        lengths = sorted({*LENGTHS, self._words})
        found = [
            Setting(
                "words",
                N_("Length of the summary"),
                N_("About so many words; a summary ends with a whole sentence."),
                {str(words): counted_words(words) for words in lengths},
            )
        ]
        if self._choosers:
            found.append(
                Setting(
                    "reading",
                    N_("What the model reads"),
                    N_("All of it is more thorough; what matters is chosen by a faster model."),
                    {_ALL: N_("All of it"), _FAST: N_("What matters, faster")},
                )
            )
        return found

    def _show_choices(self) -> None:
        choices = self.query_one(Choices)
        choices.offer(self._settings())
        reading = _FAST if self._chooser else _ALL
        choices.show({"words": str(self._words), "reading": reading})

    @on(OptionList.OptionHighlighted)
    def explain(self) -> None:
        self.query_one("#about", Static).update(_(self.query_one(Choices).chosen.help))

    @on(Choices.Changed)
    def change(self, message: Choices.Changed) -> None:
        if message.key == "words":
            self._words = int(message.value)
        else:
            self._fast = message.value == _FAST
        self._show_choices()
        self._say_estimate()

    # Moving on.

    @on(Button.Pressed, "#go")
    def press(self) -> None:
        self.action_go()

    def action_go(self) -> None:
        try:
            job = self._job()
        except EdgekitError as error:
            self.notice(in_words(error), kind="hint")
        else:
            self._kept = job.document.text  # with its summary
            self.edgekit.open_screen("summary", job)

    def _job(self) -> SummaryJob:
        """Raises DataError where there is nothing to summarize."""
        read = self.given()
        chooser = self._chooser.folder if self._chooser else None
        return SummaryJob(
            self.folder, read.document, self._words, read.words, read.name, read.source, chooser
        )

    @property
    def _chooser(self) -> Found | None:
        """The artifact that reads everything first, if that was asked for."""
        return self._choosers[0] if self._fast and self._choosers else None

    def fail(self, sentence: str) -> None:
        self._opening = False
        self.say("")
        super().fail(sentence)

    def _say_estimate(self) -> None:
        """The expected time, as far as it was measured here."""
        if self._manifest is None:
            self.say(_("Opening the model…") if self._opening else "")
            return
        words = self.words
        if not words:
            self.say("")
            return
        chooser = self._chooser.artifact if self._chooser else None
        key = rate_key(self._manifest, chooser.manifest if chooser else None)
        rate = models.known_reading_rates().get(key)
        if rate:
            time = _("about {time} on this computer").format(time=duration(words / rate))
        else:
            time = _("how long it takes here is measured while it is read")
        self.say(f"{counted_words(words)} · {time}")


def _keep(job: SummaryJob) -> None:
    with suppress(OSError):  # where the disk is full, the page says so when it is needed
        last_summary.keep(job)


def _chooses(found: Found) -> bool:
    """Whether it chooses sentences that another model may read."""
    if found.artifact is None or not found.fits:
        return False
    return found.artifact.manifest.task == "summarization" and not writes(found.artifact.manifest)

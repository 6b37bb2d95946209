"""Translate: a text, typed, pasted or in a file, and below it the same in another language."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from edgekit.artifact.folder import Manifest
from edgekit.errors import EdgekitError
from edgekit.tasks.translation.translated import sources, targets
from edgekit.wording.directions import direction
from edgekit_tui.i18n import N_, _, duration, in_words, language_name, ngettext, number
from edgekit_tui.messages import CanTranslate, TranslationMade
from edgekit_tui.screens.giving import GivingPage, counted_words
from edgekit_tui.settings import Setting
from edgekit_tui.text import clean, content
from edgekit_tui.translating import Translated, Translating
from edgekit_tui.widgets.choices import Choices
from edgekit_tui.widgets.notice import Notice

FLUSH_SECONDS = 0.4
_TOLD = "told"


class TranslateScreen(GivingPage):
    TITLE_TEXT = N_("Translate")
    HELP_TEXT = N_(
        "Type or paste a text, or open a file with ctrl f; ctrl s translates it, sentence by "
        "sentence, in its own lines. Tab goes to the languages, left and right change them. Esc "
        "stops it; what was translated until then stays. A translation may be wrong."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", N_("Stop"), id="translate.stop"),
        Binding("escape", "back", N_("Back"), id="page.back"),
        Binding("ctrl+s", "go", N_("Translate"), id="translate.go"),
        Binding("ctrl+f", "file", N_("Open a file"), id="translate.file"),
        Binding("ctrl+b", "copy", N_("Copy"), id="translate.copy"),
        Binding("ctrl+l", "clear", N_("Clear"), id="translate.clear"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.translating: Translating | None = None
        self.made: Translated | None = None
        self._manifest: Manifest | None = None
        self._to = ""
        self._from = _TOLD
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        yield from self.given_body()
        yield Choices(self._settings(), id="choices")
        yield Notice(id="notice")
        with VerticalScroll(id="answer"):
            yield Static("", id="translation", markup=False)
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self.show_given()
        self._show_choices()
        self._show_answer()
        if self._manifest is None:
            self.say(_("Opening the model…"))
            self.load()
        else:
            self.top.say(self._manifest.name)
            self._say_state()

    @work(thread=True, exclusive=True, group="model")
    def load(self) -> None:
        with self.reporting():
            self.post_message(CanTranslate(self.edgekit.models.get(self.folder).manifest))

    @on(CanTranslate)
    def take_model(self, message: CanTranslate) -> None:
        self._manifest = message.manifest
        self._to = targets(message.manifest.languages)[0]
        self.top.say(message.manifest.name)
        self._show_choices()
        self._say_state()

    def given_changed(self) -> None:
        self._say_state()

    def after_reading(self) -> None:
        self.query_one("#choices" if self._settings() else "#answer").focus()

    # The languages.

    def _settings(self) -> list[Setting]:
        """A choice for each side that has several languages."""
        if self._manifest is None:
            return []
        known = self._manifest.languages
        found = []
        if len(there := sources(known, self._to)) > 1:
            named = {_TOLD: N_("As the text says"), **{one: language_name(one) for one in there}}
            found.append(Setting("from", N_("From"), "", named))
        if len(into := targets(known)) > 1:
            found.append(Setting("to", N_("Into"), "", {one: language_name(one) for one in into}))
        return found

    def _show_choices(self) -> None:
        settings = self._settings()
        choices = self.query_one(Choices)
        choices.display = bool(settings)
        choices.offer(settings)
        if settings:
            choices.show({"from": self._from, "to": self._to})

    @on(Choices.Changed)
    def change(self, message: Choices.Changed) -> None:
        if message.key == "to":
            self._to = message.value
            if self._manifest is None or self._from not in sources(
                self._manifest.languages, self._to
            ):
                self._from = _TOLD
        else:
            self._from = message.value
        self._show_choices()
        self._say_state()

    # The work.

    def action_go(self) -> None:
        if self.translating is not None or self._manifest is None:
            return
        try:
            text = self.given().document.text
        except EdgekitError as error:
            self.notice(in_words(error), kind="hint")
            return
        from_ = None if self._from == _TOLD else self._from
        self.query_one("#notice", Notice).clear_text()
        self.made = None
        self.translating = Translating(
            self.folder, text, to=self._to, from_=from_, clock=self.edgekit.clock
        )
        self._timer = self.set_interval(FLUSH_SECONDS, self.flow)
        self.flow()
        self.refresh_bindings()
        self.translate(self.translating)

    @work(thread=True, exclusive=True, group="translate")
    def translate(self, translating: Translating) -> None:
        with self.reporting():
            self.post_message(TranslationMade(translating.run(self.edgekit.models)))

    def flow(self) -> None:
        """Shows how far it is; equally often however fast the model reports."""
        if self.translating is not None:
            self._show_answer()
            self._say_state()

    @on(TranslationMade)
    def take(self, message: TranslationMade) -> None:
        self.made = message.made
        self._end()
        if message.made.translation.text:
            self.query_one("#answer").focus()
        said = list(message.made.translation.warnings)
        if message.made.translation.cancelled:
            said.insert(0, _("It was stopped; the rest is not translated."))
        if said:
            self.notice("\n".join(said), kind="warning")

    def fail(self, sentence: str) -> None:
        self._end()
        super().fail(sentence)

    def _end(self) -> None:
        self.translating = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._show_answer()
        self._say_state()
        self.refresh_bindings()

    # What there is of it.

    def _show_answer(self) -> None:
        said = self.translating.text if self.translating else self._said
        self.query_one("#translation", Static).update(content(said))

    @property
    def _said(self) -> str:
        return self.made.translation.text if self.made is not None else ""

    def _say_state(self) -> None:
        if self.translating is not None:
            self.say(self._under_way(self.translating))
        elif self.made is not None:
            self.say(_facts(self.made))
        elif self._manifest is not None:
            self.say(counted_words(self.words) if self.words else "")

    def _under_way(self, translating: Translating) -> str:
        if translating.stopped:
            return _("Stopping…")
        if not translating.parts:
            return _("Opening the model…")
        return _parts(translating.read, translating.parts)

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.translating is not None and not self.translating.stopped
        if action == "copy":
            return bool(self._said)
        return True

    def action_stop(self) -> None:
        if self.translating is not None:
            self.translating.stop()
            self.flow()
            self.refresh_bindings()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(clean(self._said))
        copied = _("The translation is in the clipboard, as far as this terminal has one.")
        self.notice(copied, kind="hint")

    def on_unmount(self) -> None:
        if self.translating is not None:
            self.translating.stop()


def _parts(read: int, parts: int) -> str:
    return ngettext(
        "{read} of {parts} sentence translated", "{read} of {parts} sentences translated", parts
    ).format(read=number(read), parts=number(parts))


def _facts(made: Translated) -> str:
    found = made.translation
    languages = language_name(direction(found.source, found.target))
    return " · ".join((_parts(found.parts_read, found.parts), languages, duration(made.seconds)))

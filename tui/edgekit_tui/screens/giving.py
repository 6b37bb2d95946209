"""A screen that is given a text: typed, pasted, or read from a file."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from textual import on, work
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea
from textual.worker import get_current_worker

from edgekit.data import documents
from edgekit.system.cancel import Cancelled
from edgekit_tui.i18n import _, ngettext, number
from edgekit_tui.messages import DocumentRead, PagesRead
from edgekit_tui.screens.page import Page
from edgekit_tui.summarizing import count_words
from edgekit_tui.text import one_line
from edgekit_tui.widgets.field import LongTextField
from edgekit_tui.widgets.notice import Notice

# Enough to see that it is the right text.
_BEGINNING = 1200


class GivingPage(Page):
    """Has widgets called #notice and #status."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.read_text: DocumentRead | None = None
        """Text that came from a file, or is too long for the field."""

    def given_body(self) -> Iterable[Widget]:
        """The field, and what is shown in its place."""
        placeholder = _("Type or paste a text here, or open a file: ctrl f")
        yield LongTextField(self.text, id="text", placeholder=placeholder)
        with VerticalScroll(id="document"):
            yield Static("", id="beginning", markup=False)

    def given_changed(self) -> None:
        """Another text was given, or none."""

    def after_reading(self) -> None:
        """Puts the focus where one goes on when a file was read."""

    @property
    def words(self) -> int:
        return self.read_text.words if self.read_text else count_words(self.text)

    def given(self) -> DocumentRead:
        """Raises DataError for a text without a word."""
        if self.read_text is not None:
            return self.read_text
        document = documents.from_text(self.text)
        return DocumentRead(document, count_words(self.text), "", None)

    @on(TextArea.Changed, "#text")
    def typed(self, event: TextArea.Changed) -> None:
        self.text = event.text_area.text
        self.query_one("#notice", Notice).clear_text()
        self.given_changed()

    @on(LongTextField.Pasted)
    def take_paste(self, message: LongTextField.Pasted) -> None:
        self.read(None, message.text)

    def action_file(self) -> None:
        self.edgekit.open_screen("document", self.take_path)

    def take_path(self, path: Path) -> None:
        self.read(path, "")

    def read(self, path: Path | None, text: str) -> None:
        self.query_one("#notice", Notice).clear_text()
        self.say(_("Reading {name}…").format(name=path.name) if path else _("Reading the text…"))
        self.read_document(path, text)

    @work(thread=True, exclusive=True, group="read")
    def read_document(self, path: Path | None, text: str) -> None:
        worker = get_current_worker()

        def told(read: int, pages: int) -> None:
            if worker.is_cancelled:
                raise Cancelled
            self.post_message(PagesRead(one_line(path.name) if path else "", read, pages))

        with suppress(Cancelled), self.reporting():
            document = (
                documents.from_text(text) if path is None else documents.read(path, on_page=told)
            )
            words, name = count_words(document.text), path.name if path else ""
            if not worker.is_cancelled:
                self.post_message(DocumentRead(document, words, name, path))

    @on(PagesRead)
    def count_pages(self, message: PagesRead) -> None:
        text = _("Reading {name}: page {page} of {pages}").format(
            name=message.name, page=number(message.read + 1), pages=number(message.pages)
        )
        self.say(text)

    @on(DocumentRead)
    def take_document(self, message: DocumentRead) -> None:
        self.read_text = message
        self.show_given()
        self.given_changed()

    def show_given(self) -> None:
        """Shows the field, or the beginning of the text that replaces it."""
        read = self.read_text
        self.query_one("#text").display = read is None
        self.query_one("#document").display = read is not None
        if read is None:
            self.query_one("#text").focus()
            return
        facts = [counted_words(read.words)]
        if pages := len(read.document.pages):
            facts.append(
                ngettext("{count} page", "{count} pages", pages).format(count=number(pages))
            )
        name = one_line(read.name or _("The pasted text"))
        beginning = one_line(read.document.text[: 4 * _BEGINNING], most=_BEGINNING)
        self.query_one("#beginning", Static).update(
            Content.assemble((name, "bold"), (f"  {' · '.join(facts)}", "$muted"), "\n", beginning)
        )
        self.after_reading()

    def action_clear(self) -> None:
        self.workers.cancel_group(self, "read")
        self.read_text = None
        self.query_one("#text", LongTextField).text = ""
        self.show_given()
        self.given_changed()

    def say(self, text: str) -> None:
        self.query_one("#status", Static).update(Content(one_line(text)))


def counted_words(count: int) -> str:
    return ngettext("{count} word", "{count} words", count).format(count=number(count))

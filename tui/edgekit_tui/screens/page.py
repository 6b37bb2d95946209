"""What all screens share: a line at the top, a line of keys at the bottom, and the language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import get_current_worker

from edgekit.errors import EdgekitError
from edgekit_tui import i18n
from edgekit_tui.i18n import N_, in_words
from edgekit_tui.messages import Failed
from edgekit_tui.widgets.keybar import KeyBar
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.topbar import TopBar

if TYPE_CHECKING:
    from edgekit_tui.app import EdgekitApp


class Page(Screen[None]):
    """A screen makes its widgets in `body` and fills them with its state in `fill`.

    When the language has changed, both are called again.
    """

    TITLE_TEXT: ClassVar[str] = ""
    HELP_TEXT: ClassVar[str] = ""
    """What the help says about this screen, above its keys."""
    AUTO_FOCUS = ""  # each screen sets the focus in `fill`
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", N_("Back"), id="page.back"),
    ]

    def compose(self) -> ComposeResult:
        self._language = i18n.current().code
        self.set_class(i18n.current().base == "R", "-rtl")
        yield TopBar(i18n._(self.TITLE_TEXT))
        yield from self.body()
        yield KeyBar()

    def body(self) -> Iterable[Widget]:
        """The widgets between the two lines."""
        return ()

    def fill(self) -> None:
        """Puts what is known into the widgets."""

    @property
    def edgekit(self) -> EdgekitApp:
        return cast("EdgekitApp", self.app)

    @property
    def top(self) -> TopBar:
        return self.query_one(TopBar)

    def notice(self, text: str, *, kind: str = "error") -> None:
        self.query_one("#notice", Notice).say(text, kind=kind)

    @contextmanager
    def reporting(self, place: object = None) -> Iterator[None]:
        """For work in a thread: what goes wrong inside is shown, unless the work was cancelled.

        `place` is what an OSError is about; its own file unless given.
        """
        try:
            yield
        except EdgekitError as error:
            told = in_words(error)
        except OSError as error:
            told = f"{place or error.filename}: {error.strerror}"
        else:
            return
        if not get_current_worker().is_cancelled:
            self.post_message(Failed(told))

    @on(Failed)
    def take_failure(self, message: Failed) -> None:
        self.fail(message.sentence)

    def fail(self, sentence: str) -> None:
        """Shows why work in a thread failed."""
        self.notice(sentence)

    def on_mount(self) -> None:
        self.fill()

    async def on_screen_resume(self) -> None:
        if self._language != i18n.current().code:
            await self.recompose()
            self.fill()

    def action_back(self) -> None:
        self.app.pop_screen()

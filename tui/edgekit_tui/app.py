"""The app itself: what all screens share, and the way from one to another."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import ActiveBinding, Binding, BindingType
from textual.command import CommandPalette
from textual.filter import LineFilter
from textual.screen import Screen

from edgekit.errors import EdgekitError
from edgekit.system import machine
from edgekit_tui import bidi, building, filters, found, i18n, places, results, settings, themes
from edgekit_tui.found import Found
from edgekit_tui.history import History
from edgekit_tui.i18n import N_, _, in_words
from edgekit_tui.models import Models, Opener, open_isolated
from edgekit_tui.screens import screen_class
from edgekit_tui.screens.build import BuildingScreen
from edgekit_tui.screens.help import HelpScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.screens.jump import JumpScreen
from edgekit_tui.screens.overlay import Palette
from edgekit_tui.screens.page import Page
from edgekit_tui.screens.question import Question
from edgekit_tui.widgets.keybar import key_name

_FOREVER, _NOTHING = "forever", "0"
Finder = Callable[[Iterable[Path]], list[Found]]


class EdgekitApp(App[None]):
    TITLE = "edgekit"
    CSS_PATH = "edgekit.tcss"
    # Instance variables in the base class, so not a ClassVar.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-normal"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall"), (32, "-high")]  # noqa: RUF012
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+p", "command_palette", N_("Menu"), id="app.menu", priority=True),
        Binding("ctrl+o", "jump", N_("Jump"), id="app.jump", show=False, priority=True),
        Binding("question_mark", "help", N_("Help"), id="app.help", show=False),
        Binding("f1", "help", N_("Help"), id="app.help.f1", show=False, priority=True),
        Binding("ctrl+q", "quit", N_("Quit"), id="app.quit", show=False, priority=True),
    ]

    def __init__(
        self,
        artifacts: Sequence[Path] = (),
        *,
        opener: Opener = open_isolated,
        finder: Finder = found.find,
        free_memory: Callable[[], int] = machine.available_memory_bytes,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.time,
        build_command: Callable[[Path], list[str]] = building.compress,
        sample_command: Callable[[str, Path], list[str]] = building.sample,
        encoding: str | None = None,
    ) -> None:
        super().__init__()
        self.build_command, self.sample_command = build_command, sample_command
        self.given = [path.resolve() for path in artifacts]
        self.models = Models(opener, clock=clock)
        self.free_memory = free_memory
        self.clock = clock
        self.building: BuildingScreen | None = None
        """The build that runs, or the last one until it was looked at."""
        self.trouble = ""
        """What went wrong before the first screen; Home shows it."""
        self._finder = finder
        self._now = now
        self._gates: list[LineFilter] = [filters.Harmless()]
        self._encoding = encoding or (sys.__stderr__.encoding if sys.__stderr__ else "utf-8")
        try:
            self.values = settings.load()
        except EdgekitError as error:
            self.values = {setting.key: setting.default for setting in settings.SETTINGS}
            self.trouble = in_words(error)
        self.history = self._open_history()
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.apply_settings()

    def on_mount(self) -> None:
        self._tell_direction()
        self.forget_old()
        self.push_screen(screen_class("home")())

    def apply_settings(self) -> None:
        """Applies the settings; screens take over the language when they are next shown."""
        values = self.values
        language = i18n.choose(values["language"])
        self.theme = values["theme"]
        if self.history.kept != (values["chats"] != _NOTHING):
            self.history.close()
            self.history = self._open_history()
        self.models.threads = None if values["threads"] == "auto" else int(values["threads"])
        self.models.max_ram = None if values["max_ram"] == "auto" else values["max_ram"]
        self._gates = [filters.Harmless()]
        if bidi.here_turns(values["direction"]):
            self._gates.append(bidi.RightToLeft(language.base))
        if values["theme"] == themes.PLAIN:
            self._gates.append(filters.NoColour())
        if self._encoding.lower().replace("-", "").replace("_", "") != "utf8":
            self._gates.append(filters.Encodable(self._encoding))
        self._tell_direction()

    def _tell_direction(self) -> None:
        """Who turns right-to-left text: the app or the terminal, and never both."""
        if self._driver is not None:  # it is being shown
            turns = bidi.here_turns(self.values["direction"])
            self._driver.write(bidi.EXPLICIT if turns else bidi.IMPLICIT)

    def take_data_folder(self) -> None:
        """From now on, everything kept is what is in the chosen folder."""
        self.models.close()
        self.history.close()
        self.values = settings.load()
        self.history = self._open_history()
        self.apply_settings()

    def _open_history(self) -> History:
        kept = self.values["chats"] != _NOTHING
        return History(places.history_file() if kept else None, now=self._now)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *self._gates]

    def find(self) -> list[Found]:
        return self._finder(self.given)

    def make_screen(self, name: str, *arguments: object) -> Page:
        return screen_class(name)(*arguments)

    def open_screen(self, name: str, *arguments: object) -> None:
        self.push_screen(self.make_screen(name, *arguments))

    def open_build(self, name: str, command: Sequence[str], recipe: Path | None = None) -> None:
        """One build at a time: it goes on whichever screen is shown, and this leads to it."""
        if self.building is not None and self.building.running:
            self.show_build(_("This one is still running; stop it before you begin another."))
            return
        before = self.building
        if before is not None and before not in self.screen_stack:
            self.uninstall_screen(before)
            before.remove()
        self.building = BuildingScreen(name, command, recipe)
        # An installed screen stays as it is when one leaves it.
        self.install_screen(self.building, f"building-{id(self.building)}")
        self.push_screen(self.building)

    def show_build(self, notice: str = "") -> None:
        if self.building is not None:
            if self.building not in self.screen_stack:
                self.push_screen(self.building)
            if notice:
                self.building.notice(notice, kind="hint")

    def leave_build(self) -> None:
        """Back from the shown build; one that has ended goes with its screen."""
        self.pop_screen()
        if self.building is not None and not self.building.running:
            self.uninstall_screen(self.building)
            self.building = None

    def ask(self, question: str, yes: str, then: Callable[[], object]) -> None:
        """Does `then` if the user agrees."""

        def answered(agreed: bool | None) -> None:
            if agreed:
                then()

        self.push_screen(Question(question, yes), answered)

    def action_help(self) -> None:
        screen = self.screen
        if isinstance(screen, Page):
            keys: dict[str, str] = {}
            for word, active in self._words(screen):
                keys[word] = ", ".join(filter(None, (keys.get(word), key_name(active.binding.key))))
            table = [(key, word) for word, key in keys.items()]
            self.push_screen(HelpScreen(_(screen.HELP_TEXT), table))

    def action_jump(self) -> None:
        """Shows a letter on each widget that takes keys; pressing it goes there."""
        screen = self.screen
        if isinstance(screen, Page):
            self.push_screen(JumpScreen(screen.focus_chain), screen.set_focus)

    def action_command_palette(self) -> None:
        if not any(isinstance(screen, CommandPalette) for screen in self.screen_stack):
            self.push_screen(Palette(placeholder=_("What do you want to do?")))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every key of the shown screen, by its label; then every place, from wherever one is."""
        words = dict(self._words(screen))
        for word, active in words.items():
            if active.binding.action != "command_palette":
                run = _runner(self, active.node, active.binding.action)
                yield SystemCommand(word, key_name(active.binding.key), run)
        home = next((one for one in self.screen_stack if isinstance(one, HomeScreen)), None)
        for word, action in home.ways() if home is not None else ():
            if word not in words:
                yield SystemCommand(word, _("go there"), _runner(self, home, action))

    def _words(self, screen: Screen[Any]) -> Iterator[tuple[str, ActiveBinding]]:
        """What can be done here; our own bindings are those with an id."""
        for active in screen.active_bindings.values():
            if active.binding.id and active.binding.description and active.enabled:
                yield _(active.binding.description), active

    def forget_old(self) -> None:
        """Removes labelled files and chats that are older than the settings allow."""
        try:
            if self.values["keep"] != _FOREVER:
                results.forget(_days(self.values["keep"]))
                places.forget(places.summaries(), _days(self.values["keep"]))
            if self.values["chats"] != _FOREVER:
                # Also with "keep nothing": there may be chats from before that was chosen.
                stored = History(places.history_file(), now=self._now)
                stored.forget(_days(self.values["chats"]))
                stored.close()
        except EdgekitError as error:
            self.trouble = in_words(error)
        except OSError as error:
            self.trouble = f"{error.filename}: {error.strerror}"

    async def on_unmount(self) -> None:
        self.models.close()
        self.forget_old()
        self.history.close()


def _days(count: str) -> float:
    return float(count) * 24 * 3600


def _runner(app: App[None], node: object, action: str) -> Callable[[], None]:
    async def run() -> None:
        await app.run_action(action, node)  # type: ignore[arg-type]

    return lambda: app.call_next(run)

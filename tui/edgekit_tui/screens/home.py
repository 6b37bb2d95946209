"""Home: the artifacts of this computer and its drives, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui import corrections, models, recent, speed
from edgekit_tui.found import Found, best
from edgekit_tui.i18n import N_, _, language_name, ngettext, number, rate, size
from edgekit_tui.messages import ArtifactsFound, CorrectionsSaved
from edgekit_tui.recent import Anything
from edgekit_tui.screens import ACTIONS, TASK_NAMES, task_screen
from edgekit_tui.screens.recent import said
from edgekit_tui.screens.saving import SavingPage
from edgekit_tui.text import content, one_line
from edgekit_tui.widgets.notice import Notice

_BY_SCREEN = {action.screen: action for action in ACTIONS}
FURTHER = (
    ("a", "artifacts", N_("Artifacts")),
    ("s", "samples", N_("Samples")),
    ("b", "build", N_("Build")),
    ("comma", "settings", N_("Settings")),
)
_FEW_LANGUAGES = 4
_FEW_RECENT = 3
_BUILDING_SECONDS = 1.0


class HomeScreen(SavingPage):
    HELP_TEXT = N_(
        "Choose an artifact with the arrow keys and press Enter to use it. An artifact is a folder "
        "with a small model that answers on this computer, without a network."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            # Their buttons show the keys.
            Binding(one.key, f"act('{one.screen}')", one.title, show=False, id=f"home.{one.screen}")
            for one in ACTIONS
        ),
        *(
            Binding(key, f"open('{name}')", title, id=f"home.{name}")
            for key, name, title in FURTHER[:-1]
        ),
        # Before what has room beside it in a wide terminal alone.
        Binding("ctrl+q", "app.quit", N_("Quit"), id="home.quit", priority=True),
        *(
            Binding(key, f"open('{name}')", title, id=f"home.{name}")
            for key, name, title in FURTHER[-1:]
        ),
        Binding("i", "open('import')", N_("Import"), show=False, id="home.import"),
        Binding("r", "open('recent')", N_("Recent"), show=False, id="home.recent"),
        Binding("c", "save", N_("Save corrections"), show=False, id="home.corrections"),
        Binding("escape", "nothing", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Found] = []
        self._searched = False
        self._waiting: dict[str, int] = {}
        self._recent: list[Anything] = []
        self._told: tuple[list[Found], dict[str, str]] | None = None

    def body(self) -> Iterable[Widget]:
        yield _Actions()
        yield Static(_("ARTIFACTS"), classes="heading", id="artifacts-heading", markup=False)
        yield ArtifactList(id="artifacts", markup=False)
        with VerticalScroll(id="empty") as empty:
            empty.display = False
            yield Static(_first_steps(), markup=False)
            yield Button(Content(_("s  Make one from a sample")), id="samples")
            yield Button(Content(_("i  Import from a drive")), id="import")
        running = Static("", id="building", markup=False)
        running.display = False
        yield running
        left = Static("", id="recent", classes="muted", markup=False)
        left.display = False
        yield left
        waiting = Static("", id="waiting", classes="muted", markup=False)
        waiting.display = False
        yield waiting
        yield Notice(id="notice")

    def fill(self) -> None:
        free = size(self.edgekit.free_memory())
        self.top.say(_("offline · {free} of memory free").format(free=free))
        self._show()
        self._say_waiting()

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(_BUILDING_SECONDS, self._say_building)
        self.query_one("#artifacts").focus()
        if self.edgekit.trouble:
            self.query_one("#notice", Notice).say(self.edgekit.trouble, kind="warning")

    async def on_screen_resume(self) -> None:
        await super().on_screen_resume()
        self._say_building()
        self.search()

    @work(thread=True, exclusive=True, group="search")
    def search(self) -> None:
        """In a thread: a drive may take its time."""
        with self.reporting():
            waiting = {one.name: one.waiting() for one in corrections.every()}
            left = recent.latest(self.edgekit.history)
            self.post_message(ArtifactsFound(self.edgekit.find(), waiting, left))

    @on(ArtifactsFound)
    def take(self, message: ArtifactsFound) -> None:
        self._searched = True
        self._waiting, self._recent = message.waiting, message.recent
        self._say_waiting()
        told = (message.found, speeds(self.edgekit.models.speeds()))
        if told != self._told:
            self.found, self._told = message.found, told
            self._show()

    @on(CorrectionsSaved)
    def count_again(self) -> None:
        self.search()

    def _say_building(self) -> None:
        """How far a build is that was left running, or how it ended; b leads to it."""
        building = self.edgekit.building
        for line in self.query("#building").results(Static):
            line.display = building is not None
            if building is not None:
                line.update(building.said)

    def _say_waiting(self) -> None:
        """What was worked on last, and corrected labels that nothing learns from yet."""
        left = self.query_one("#recent", Static)
        left.display = bool(self._recent)
        names = " · ".join(said(one) for one in self._recent[:_FEW_RECENT])
        left.update(content(_("r  Recent: {names}").format(names=names)))
        line = self.query_one("#waiting", Static)
        line.display = bool(self._waiting)
        if self._waiting:
            name, count = next(iter(self._waiting.items()))
            text = ngettext(
                "c  Save {count} corrected label of {name}, to train on it",
                "c  Save {count} corrected labels of {name}, to train on them",
                count,
            ).format(count=number(count), name=one_line(name))
            line.update(content(text))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._waiting) if action == "save" else True

    def action_save(self) -> None:
        self.save_corrections(next(iter(self._waiting)), Path.cwd())

    def _show(self) -> None:
        options = self.query_one("#artifacts", OptionList)
        chosen = options.highlighted or 0
        measured = self._told[1] if self._told else {}
        options.clear_options()
        options.add_options(Option(describe(found, measured)) for found in self.found)
        empty = self._searched and not self.found
        options.display, self.query_one("#empty").display = not empty, empty
        self.query_one("#artifacts-heading").display = not empty
        for action in ACTIONS:
            fits = best(self.found, action.tasks) is not None
            self.query_one(f"#{action.screen}").set_class(not fits, "-lacking")
        if empty:
            self.query_one("#samples").focus()
        if self.found:
            options.highlighted = min(chosen, len(self.found) - 1)
        self.refresh_bindings()

    @property
    def chosen(self) -> Found | None:
        place = self.query_one("#artifacts", OptionList).highlighted
        return self.found[place] if place is not None and place < len(self.found) else None

    @on(OptionList.OptionSelected, "#artifacts")
    def use(self) -> None:
        if self.chosen is not None:
            self._use(self.chosen)

    def _use(self, found: Found) -> None:
        notice = self.query_one("#notice", Notice)
        if found.artifact is None:
            notice.say(found.wrong)
            return
        screen = task_screen(found.artifact.manifest.task, found.folder)
        if screen is None:
            notice.say(_("This app cannot use artifacts of this task yet."), kind="warning")
            return
        notice.clear_text()
        self.app.push_screen(screen)

    @on(Button.Pressed)
    def press(self, event: Button.Pressed) -> None:
        name = event.button.id or ""
        if name in _BY_SCREEN:
            self.action_act(name)
        else:
            self.edgekit.open_screen(name)

    def action_open(self, name: str) -> None:
        if name == "build" and self.edgekit.building is not None:
            self.edgekit.show_build()
        else:
            self.edgekit.open_screen(name)

    def action_act(self, name: str) -> None:
        """With the chosen artifact, if it can do that, else with the best one that can."""
        action, notice = _BY_SCREEN[name], self.query_one("#notice", Notice)
        used = best(self.found, action.tasks, chosen=self.chosen)
        if used is not None:
            notice.clear_text()
            self.edgekit.open_screen(name, used.folder)
        elif self.chosen is not None and self.chosen.artifact is None:
            notice.say(self.chosen.wrong)
        else:
            lacking = _("No artifact for this is here yet ({task}). Press i to import one from a "
                        "drive, or s to make one from a sample.")  # fmt: skip
            notice.say(lacking.format(task=_(TASK_NAMES[action.tasks[0]])), kind="hint")

    def ways(self) -> Iterator[tuple[str, str]]:
        """Every place that one can go to from here: its name, and the action."""
        for one in ACTIONS:
            if best(self.found, one.tasks) is not None:
                yield _(one.title), f"act('{one.screen}')"
        for _key, name, title in FURTHER:
            yield _(title), f"open('{name}')"
        yield _("Import"), "open('import')"
        yield _("Recent"), "open('recent')"

    def action_nothing(self) -> None:
        """Home is where Esc leads; from here there is no further back."""


class ArtifactList(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", N_("Use"), id="home.use")]


class _Actions(Container):
    def compose(self) -> ComposeResult:
        for action in ACTIONS:
            title = Content.assemble((action.key, "$key bold"), "  ", (_(action.title), "bold"))
            yield Button(
                Content.assemble(title, "\n", (_(action.about), "$muted")), id=action.screen
            )


def speeds(seconds_per_text: Mapping[str, float]) -> dict[str, str]:
    """An artifact's digest -> how fast it was on this machine, in words."""
    told = {digest: speed.of_a_text(seconds) for digest, seconds in seconds_per_text.items()}
    rates = models.known_writing_rates() | models.known_reading_rates()
    return told | {
        digest: _("{rate} words a second").format(rate=rate(words))
        for digest, words in rates.items()
    }


def describe(found: Found, speeds: Mapping[str, str]) -> Content:
    """Two lines: the name and the task; languages, size, memory, speed."""
    if found.artifact is None:
        return Content.assemble(
            (one_line(found.name), "bold"), "\n  ", (one_line(found.wrong), "$error"), "\n"
        )
    manifest = found.artifact.manifest
    facts = [
        _languages(manifest.languages),
        size(manifest.needs.disk_bytes),
        _("fits in memory") if found.fits else _("does not fit in memory now"),
    ]
    if manifest.digest in speeds:
        facts.append(speeds[manifest.digest])
    colour = "$muted" if found.fits else "$warning"
    task = _(TASK_NAMES.get(manifest.task, manifest.task))
    where = {"drive": _("on a drive"), "here": _("in this folder")}.get(found.source, "")
    return Content.assemble(
        (one_line(manifest.name), "bold"), ("  " + task, "$primary"),
        (f"  {where}" if where else "", "$muted"),
        "\n  ", (" · ".join(facts), colour), "\n",
    )  # fmt: skip


def _languages(codes: tuple[str, ...]) -> str:
    if len(codes) <= _FEW_LANGUAGES:
        return ", ".join(one_line(language_name(code), most=40) for code in codes)
    text = ngettext("{count} language", "{count} languages", len(codes))
    return text.format(count=number(len(codes)))


def _first_steps() -> Content:
    return Content.assemble(
        (_("There is no artifact on this computer yet."), "bold"), "\n\n",
        _("An artifact is a folder with a small model that answers here, without a network. Copy "
          "one from a USB drive, or, with a network, make one from a sample."), "\n",
    )  # fmt: skip

"""Build: a command run in a subprocess; its steps, time and output; stop and resume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from edgekit_tui import building, found
from edgekit_tui.building import Build, Ended, StepEvent
from edgekit_tui.i18n import N_, _, duration, percent
from edgekit_tui.messages import BuildEnded, BuildSaid
from edgekit_tui.screens.page import Page
from edgekit_tui.text import clean, one_line
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.picker import Picker
from edgekit_tui.widgets.scores import bar_line

_KEPT_LINES = 200
_INTERRUPTED = "edgekit: interrupted"
_BAR, _SHORT_BAR, _NAME = 24, 12, 18


class BuildScreen(Page):
    TITLE_TEXT = N_("Build")
    HELP_TEXT = N_(
        "Choose a recipe (a .yaml file). It runs in a process of its own; what a step has finished "
        "is kept, so that a stopped build goes on from there."
    )

    def body(self) -> Iterable[Widget]:
        yield Static(_("Choose a recipe: a .yaml file"), classes="lead", markup=False)
        yield Notice(id="notice")
        yield Picker(Path.cwd(), is_recipe)

    def fill(self) -> None:
        remedy = building.remedy("compress")
        self.query_one(Picker).display = not remedy
        if remedy:
            text = _("Building needs more than this computer has installed: {remedy}")
            self.notice(text.format(remedy=remedy), kind="warning")
        else:
            self.query_one(Picker).focus_path()

    @on(Picker.Picked)
    def picked(self, event: Picker.Picked) -> None:
        recipe = event.path
        self.edgekit.open_build(recipe.name, self.edgekit.build_command(recipe))


def is_recipe(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml") and path.is_file()


class BuildingScreen(Page):
    """Also makes a sample, whose recipe comes next."""

    TITLE_TEXT = N_("Build")
    HELP_TEXT = N_(
        "Esc leaves the build running, and Home leads back to it. Stop asks first and keeps what "
        "is finished; Go on takes it up again. Leaving the app stops it, too."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "build", N_("Build it"), id="building.build"),
        Binding("enter", "use", N_("Use it"), id="building.use"),
        Binding("s", "stop", N_("Stop"), id="building.stop"),
        Binding("g", "again", N_("Go on"), id="building.again"),
    ]

    def __init__(self, name: str, command: Sequence[str], recipe: Path | None = None) -> None:
        """`recipe` is what can be built once this has succeeded."""
        super().__init__()
        self._what, self._command, self._recipe = name, command, recipe
        self.running = False
        self._build: Build | None = None
        self._ended: Ended | None = None
        self._steps: dict[str, StepEvent] = {}
        self._latest = ""
        self._lines: list[str] = []
        self._said = ("", "hint")

    def body(self) -> Iterable[Widget]:
        yield Notice(id="notice")
        yield Static("", id="steps", markup=False)
        yield Static(_("WHAT IT SAYS"), classes="heading", markup=False)
        with VerticalScroll(id="log"):
            yield Static("", id="lines", markup=False)

    def fill(self) -> None:
        self.top.say(self._what)
        self.query_one("#log").focus()
        self.notice(self._said[0], kind=self._said[1])
        self._draw()
        if self._build is None:
            self.action_again()

    def action_again(self) -> None:
        self._steps, self._lines = {}, []
        self._say(_("It begins; the first steps may take a moment…"), "hint")
        self._ended = None
        self._build = Build(self._command, on_event=self._tell)
        self.running = True
        self.run_build(self._build)
        self.refresh_bindings()

    def _tell(self, said: StepEvent | str) -> None:
        self.post_message(BuildSaid(said))

    @work(thread=True, exclusive=True, group="build")
    def run_build(self, build: Build) -> None:
        with self.reporting():
            self.post_message(BuildEnded(build.run()))

    @on(BuildSaid)
    def take(self, message: BuildSaid) -> None:
        if isinstance(message.said, StepEvent):
            self._say("", "hint")
            self._latest = message.said.step
            self._steps[self._latest] = message.said
            self._log(message.said.note)
        else:
            self._log(message.said)
        self._draw()

    def _log(self, line: str) -> None:
        # What the command line says to those who stopped it there; the notice says it here.
        if line.startswith(_INTERRUPTED):
            return
        if line and [line] != self._lines[-1:]:
            self._lines = [*self._lines, clean(line)][-_KEPT_LINES:]

    @on(BuildEnded)
    def take_end(self, message: BuildEnded) -> None:
        self.running, self._ended = False, message.ended
        self._say(*_ending(message.ended, self._lines))
        self.refresh_bindings()

    def fail(self, sentence: str) -> None:
        self.running = False
        self._say(sentence, "error")
        self.refresh_bindings()

    def _say(self, text: str, kind: str) -> None:
        self._said = (text, kind)
        self.notice(text, kind=kind)

    def _draw(self) -> None:
        steps = Content("\n").join(_step_line(event) for event in self._steps.values())
        self.query_one("#steps", Static).update(steps)
        self.query_one("#lines", Static).update(Content("\n".join(self._lines)))
        self.query_one("#log", VerticalScroll).scroll_end(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.running
        if action == "again":
            return not self.running and not self._well
        if action == "build":
            return self._well and self._recipe is not None
        return self._well and bool(self._made) if action == "use" else True

    @property
    def _well(self) -> bool:
        return self._ended is not None and self._ended.result is not None

    @property
    def _made(self) -> list[Path]:
        """The artifacts that were built."""
        result = self._ended.result if self._ended else None
        return [Path(str(entry["path"])) for entry in (result or {}).get("artifacts", [])]

    def action_build(self) -> None:
        if self._recipe is not None:
            recipe = self._recipe
            self.action_back()
            self.edgekit.open_build(recipe.name, self.edgekit.build_command(recipe))

    def action_use(self) -> None:
        made = found.look(self._made[0].resolve())
        self.action_back()
        self.edgekit.open_screen("artifact", made)

    def action_back(self) -> None:
        self.edgekit.leave_build()

    def action_stop(self) -> None:
        question = _("Stop this build? What is finished is kept.")
        self.edgekit.ask(question, _("Yes, stop it"), self.stop)

    def stop(self) -> None:
        if self._build is not None and self.running:
            self._say(_("Stopping; what is finished is kept…"), "hint")
            self._build.stop()

    def on_unmount(self) -> None:
        if self._build is not None:
            self._build.stop()

    @property
    def said(self) -> Content:
        """In a line, as Home says it: the step at work with its bar, or how it ended."""
        what = f"b  {one_line(self._what, most=_NAME)}  "
        if not self.running or not self._steps:
            return Content.assemble(what, (one_line(self._said[0]), "$muted"))
        event = self._steps[self._latest]
        return Content.assemble(what, _step_line(event, bar=_SHORT_BAR))


def _ending(ended: Ended, lines: list[str]) -> tuple[str, str]:
    if ended.result is not None and "artifacts" not in ended.result:
        return _("The sample is there. Press enter to build its artifact."), "good"
    if ended.result is not None:
        folders = ", ".join(str(entry["path"]) for entry in ended.result.get("artifacts", []))
        verdict = ended.result.get("verdict") or _("no verdict")
        text = _("Done: {folders} ({verdict})").format(folders=folders, verdict=verdict)
        return text, "good" if ended.code == 0 else "warning"
    if ended.code in (130, -2):
        return _("Stopped. Go on takes up what is finished."), "hint"
    return one_line(lines[-1], most=600) if lines else str(ended.code), "error"


def _step_line(event: StepEvent, *, bar: int = _BAR) -> Content:
    name = Content(one_line(event.step, most=_NAME))
    gap = " " * max(1, _NAME + 2 - name.cell_length)
    said = {"reused": _("finished earlier"), "done": _("done")}.get(event.state, "")
    if event.state == "progress" and event.eta_s is not None:
        said = _("about {time} left").format(time=duration(event.eta_s))
    line = bar_line(event.fraction, bar, "$primary")
    return Content.assemble(name, gap, line, f" {percent(event.fraction):>5}  ", (said, "$muted"))

"""Home: the artifacts of this computer and its drives, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui import models
from edgekit_tui.found import Found
from edgekit_tui.i18n import N_, _, language_name, ngettext, number, size
from edgekit_tui.messages import ArtifactsFound
from edgekit_tui.screens import task_screen
from edgekit_tui.screens.page import Page
from edgekit_tui.text import one_line
from edgekit_tui.widgets.notice import Notice

ACTIONS = (
    ("classify", "c", N_("Classify")),
    ("file", "f", N_("Label a file")),
    ("artifacts", "a", N_("Artifacts")),
    ("build", "b", N_("Build")),
)
FOR_ARTIFACTS = ("classify", "file")
_TASK_NAMES = {
    "classification": N_("classification"),
    "summarization": N_("summarization"),
    "chat": N_("chat"),
}
_FEW_LANGUAGES = 4


class HomeScreen(Page):
    HELP_TEXT = N_(
        "Choose an artifact with the arrow keys and press Enter to use it. An artifact is a folder "
        "with a small model that answers on this computer, without a network."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"open('{name}')", title, id=f"home.{name}")
            for name, key, title in ACTIONS
        ),
        Binding("comma", "open('settings')", N_("Settings"), id="home.settings"),
        Binding("escape", "nothing", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Found] = []
        self._searched = False

    def body(self) -> Iterable[Widget]:
        yield _Actions()
        yield Static(_("ARTIFACTS"), classes="heading", id="artifacts-heading", markup=False)
        yield ArtifactList(id="artifacts", markup=False)
        with VerticalScroll(id="empty") as empty:
            empty.display = False
            yield Static(_first_steps(), markup=False)
        yield Notice(id="notice")

    def fill(self) -> None:
        free = size(self.edgekit.free_memory())
        self.top.say(_("offline · {free} of memory free").format(free=free))
        self._show()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#artifacts").focus()
        if self.edgekit.trouble:
            self.query_one("#notice", Notice).say(self.edgekit.trouble, kind="warning")

    async def on_screen_resume(self) -> None:
        await super().on_screen_resume()
        self.search()

    @work(thread=True, exclusive=True, group="search")
    def search(self) -> None:
        """In a thread: a drive may take its time."""
        self.post_message(ArtifactsFound(self.edgekit.find()))

    @on(ArtifactsFound)
    def take(self, message: ArtifactsFound) -> None:
        self._searched = True
        if message.found != self.found or not self.found:
            self.found = message.found
            self._show()

    def _show(self) -> None:
        options = self.query_one("#artifacts", OptionList)
        chosen = options.highlighted or 0
        speeds = models.known_speeds()
        options.clear_options()
        options.add_options(Option(describe(found, speeds)) for found in self.found)
        empty = self._searched and not self.found
        options.display, self.query_one("#empty").display = not empty, empty
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
        self.action_open(event.button.id or "")

    def action_open(self, name: str) -> None:
        if name not in FOR_ARTIFACTS:
            self.edgekit.open_screen(name)
        elif self.chosen is None:
            hint = _("This needs an artifact: press a and import one.")
            self.query_one("#notice", Notice).say(hint, kind="hint")
        elif self.chosen.artifact is None:
            self.query_one("#notice", Notice).say(self.chosen.wrong)
        elif self.chosen.artifact.manifest.task != "classification":
            hint = _("This artifact gives no labels: press Enter to use it.")
            self.query_one("#notice", Notice).say(hint, kind="hint")
        else:
            self.edgekit.open_screen(name, self.chosen.folder)

    def action_nothing(self) -> None:
        """Home is where Esc leads; from here there is no further back."""


class ArtifactList(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", N_("Use"), id="home.use")]


class _Actions(Horizontal):
    def compose(self) -> ComposeResult:
        for name, _key, title in ACTIONS:
            yield Button(Content(_(title)), id=name)


def describe(found: Found, speeds: dict[str, float]) -> Content:
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
        facts.append(_("{ms} ms a text").format(ms=number(round(speeds[manifest.digest] * 1000))))
    colour = "$muted" if found.fits else "$warning"
    task = _(_TASK_NAMES.get(manifest.task, manifest.task))
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
        _("From a drive: plug it in, then press a and choose Import."), "\n\n",
        _("With a network, a sample to try, in about an hour:"), "\n",
        ("  edgekit sample home-intents demo\n  edgekit compress demo/recipe.yaml", "$primary"),
        "\n\n",
        _("Then start this app again in that folder."),
    )  # fmt: skip

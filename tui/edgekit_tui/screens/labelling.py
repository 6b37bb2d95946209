"""Label a file, then: its progress and the time left; pause, resume, stop."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, cast

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from edgekit.data.reading import AS_FOUND, Reading
from edgekit.model import Model
from edgekit_tui import power, results
from edgekit_tui.i18n import N_, _, duration, number, percent
from edgekit_tui.labelling import LabelJob, Labelling, Pace, Stopped
from edgekit_tui.messages import Labelled, Paced, Said
from edgekit_tui.screens.page import Page
from edgekit_tui.widgets.bar import Bar
from edgekit_tui.widgets.notice import Notice


class LabellingScreen(Page):
    TITLE_TEXT = N_("Label a file")
    HELP_TEXT = N_(
        "Every row is labelled and kept at once: after a stop, a crash or a power cut, the same "
        "file goes on where it was."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", N_("Stop"), id="labelling.stop"),
        Binding("space", "pause", N_("Pause / go on"), id="labelling.pause"),
        Binding("r", "again", N_("Go on"), id="labelling.again"),
    ]

    def __init__(
        self, folder: Path, source: Path, column: str, reading: Reading = AS_FOUND
    ) -> None:
        super().__init__()
        self.folder, self.source, self.column, self.reading = folder, source, column, reading
        self.labelling: Labelling | None = None
        self._failed = False

    def body(self) -> Iterable[Widget]:
        with Vertical(id="progress"):
            yield Static("", id="share", markup=False)
            yield Bar(id="bar")
            yield Static("", id="pace", markup=False)
            yield Notice(id="notice")

    def fill(self) -> None:
        self.top.say(self.source.name)
        if self.labelling is None:
            self.start()

    def start(self) -> None:
        self._failed = False
        self.query_one("#notice", Notice).clear_text()
        self.query_one("#pace", Static).update(_("Reading the file…"))
        self.label()
        self.refresh_bindings()

    @work(thread=True, exclusive=True, group="label")
    def label(self) -> None:
        with suppress(Stopped), self.reporting():
            model = cast("Model", self.edgekit.models.get(self.folder))
            manifest = model.manifest
            job = LabelJob(
                self.folder, manifest.digest, self.source, self.column, manifest.name, self.reading
            )
            self.labelling = Labelling(job, self._tell)
            self.labelling.run(model)
            self.post_message(Said(_("Sorting the results…")))
            results.make_index(job.out, job.index, column=job.column)
            self.post_message(Labelled(job))

    def _tell(self, pace: Pace) -> None:
        self.post_message(Paced(pace))

    @on(Paced)
    def take_pace(self, message: Paced) -> None:
        pace = message.pace
        share = pace.done / pace.total
        self.query_one("#share", Static).update(
            Content.assemble((percent(share), "$primary bold"), "  ", self._rows(pace))
        )
        self.query_one("#bar", Bar).show(share)
        self.query_one("#pace", Static).update(self._speed(pace))

    def _rows(self, pace: Pace) -> str:
        text = _("{done} of {total} rows")
        return text.format(done=number(pace.done), total=number(pace.total))

    def _speed(self, pace: Pace) -> str:
        if self.labelling is not None and self.labelling.paused:
            return _("Paused. What is done is kept.")
        if pace.per_second is None or pace.seconds_left is None:
            return ""
        rate = number(round(pace.per_second, 0 if pace.per_second >= 10 else 1))
        facts = [
            _("{rate} texts a second").format(rate=rate),
            _("about {time} left").format(time=duration(pace.seconds_left)),
        ]
        return " · ".join(filter(None, (*facts, power.on_battery())))

    @on(Said)
    def take_word(self, message: Said) -> None:
        self.query_one("#pace", Static).update(message.text)

    @on(Labelled)
    def take_result(self, message: Labelled) -> None:
        self.app.switch_screen(self.edgekit.make_screen("results", message.job))

    def fail(self, sentence: str) -> None:
        self._failed = True
        self.query_one("#pace", Static).update("")
        super().fail(sentence)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "again":
            return self._failed
        return not self._failed if action == "pause" else True

    def action_pause(self) -> None:
        if self.labelling is None:
            return
        if self.labelling.paused:
            self.labelling.go_on()
            self.query_one("#pace", Static).update(_("Going on…"))
        else:
            self.labelling.pause()
            self.query_one("#pace", Static).update(_("Paused. What is done is kept."))

    def action_again(self) -> None:
        self.start()

    def action_back(self) -> None:
        if self.labelling is not None:
            self.labelling.stop()
        super().action_back()

    def on_unmount(self) -> None:
        if self.labelling is not None:
            self.labelling.stop()

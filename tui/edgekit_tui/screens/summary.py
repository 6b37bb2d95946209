"""Summarize, then: the progress, and the summary beside the sentences that support it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgekit.errors import EdgekitError
from edgekit_tui import last_summary, power, summary_file
from edgekit_tui.i18n import N_, _, duration, in_words, language_name, ngettext, number, rate
from edgekit_tui.messages import Exported, Summarized
from edgekit_tui.reading import Progress
from edgekit_tui.screens.page import Page
from edgekit_tui.summarizing import Made, Passage, Summarizing, SummaryJob, count_words
from edgekit_tui.text import clean, content, one_line
from edgekit_tui.widgets.bar import Bar
from edgekit_tui.widgets.notice import Notice

FLUSH_SECONDS = 0.4
FOREVER_NOTHING = "0"


class SummaryScreen(Page):
    TITLE_TEXT = N_("Summary")
    HELP_TEXT = N_(
        "Go through the sentences with the up and down keys: beside each stands what it was taken "
        "from. What a model wrote itself may be wrong; numbers and names that are not in the text "
        "are underlined. Esc stops the reading; what was read until then is kept."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", N_("Stop"), id="summary.stop"),
        Binding("escape", "back", N_("Back"), id="page.back"),
        Binding("e", "export", N_("Export"), id="summary.export"),
        Binding("c", "copy", N_("Copy"), id="summary.copy"),
        Binding("r", "again", N_("Go on"), id="summary.again"),
    ]

    def __init__(self, job: SummaryJob, made: Made | None = None) -> None:
        """`made` is a summary from before; without one it is made now."""
        super().__init__()
        self.job, self.made = job, made
        self.summarizing: Summarizing | None = None
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        with Vertical(id="progress"):
            yield Static("", id="share", markup=False)
            yield Bar(id="bar")
            yield Static("", id="pace", markup=False)
            with VerticalScroll(id="growing"):
                yield Static("", id="text", markup=False)
        yield Notice(id="notice")
        with Container(id="both"):
            yield OptionList(id="sentences", markup=False)
            with VerticalScroll(id="source"):
                yield Static("", id="passages", markup=False)
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self.top.say(self.job.name or _("A text of yours"))
        if self.made is not None:
            self._show(self.made)
        elif self.summarizing is None:
            self.start()
        else:
            self._show_stage()
            self.flow()

    # The work.

    def start(self) -> None:
        self.made = None
        keep = self.edgekit.values["keep"] != FOREVER_NOTHING
        self.summarizing = Summarizing(self.job, keep=keep, clock=self.edgekit.clock)
        self.query_one("#notice", Notice).clear_text()
        self.query_one("#status", Static).update("")
        self._show_stage()
        self.flow()
        if self._timer is None:
            self._timer = self.set_interval(FLUSH_SECONDS, self.flow)
        self.summarize(self.summarizing)

    @work(thread=True, exclusive=True, group="summarize")
    def summarize(self, summarizing: Summarizing) -> None:
        with self.reporting():
            made = summarizing.run(self.edgekit.models)
            if self.edgekit.values["keep"] != FOREVER_NOTHING:
                with suppress(OSError):  # it is shown all the same
                    last_summary.keep(self.job, made)
            self.post_message(Summarized(made))

    def flow(self) -> None:
        """Shows the progress; equally often however fast the model reports."""
        if self.summarizing is None:
            return
        progress = self.summarizing.progress
        self.query_one("#pace", Static).update(Content(self._pace(progress)))
        if progress is None:
            return
        share, counted = _share(progress, self.job)
        self.query_one("#share", Static).update(Content(counted))
        self.query_one("#bar", Bar).show(share)
        self.query_one("#text", Static).update(content(self.summarizing.text))

    def _pace(self, progress: Progress | None) -> str:
        if self.summarizing is not None and self.summarizing.stopped:
            return _("Stopping…")
        if progress is None:
            return _("Opening the model…")
        facts = []
        if progress.words_per_second is not None:
            read = rate(progress.words_per_second)
            facts.append(_("{rate} words a second").format(rate=read))
        if progress.seconds_left is None:
            spent = duration(progress.seconds)
            facts.append(_("{time} so far; the speed is not measured yet").format(time=spent))
        elif not progress.seconds_left:
            spent = duration(progress.seconds)
            facts.append(_("{time} so far, longer than expected").format(time=spent))
        else:
            facts.append(_("about {time} left").format(time=duration(progress.seconds_left)))
        return " · ".join(filter(None, (*facts, power.on_battery())))

    @on(Summarized)
    def take(self, message: Summarized) -> None:
        self._end()
        self.made = message.made
        self._show(message.made)

    def fail(self, sentence: str) -> None:
        self._end()
        self._show_stage()
        super().fail(sentence)

    def _end(self) -> None:
        self.summarizing = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _show_stage(self) -> None:
        """The progress, or the summary, or neither after a failure."""
        self.query_one("#progress").display = self.summarizing is not None
        has_text = self.made is not None and bool(self.made.summary.text)
        self.query_one("#both").display = has_text
        if has_text:
            self.query_one("#sentences").focus()
        self.refresh_bindings()

    # The summary.

    def _show(self, made: Made) -> None:
        self._show_stage()
        marked = any(unicodedata.category(mark) in ("Mn", "Mc") for mark in made.summary.text)
        self.set_class(marked, "-marked")
        options = self.query_one("#sentences", OptionList)
        options.clear_options()
        options.add_options(
            Option(_marked(sentence.text, made.summary.flagged))
            for sentence in made.summary.sentences
        )
        checks = summary_file.checks(made, self.job)
        if checks:
            title = ngettext("{count} thing to check", "{count} things to check", len(checks))
            options.add_option(
                Option(Content(title.format(count=number(len(checks)))).stylize("$warning"))
            )
        if made.summary.text:
            options.highlighted = 0
        self._say_trouble(made, checks)
        self._say_facts(made)

    def _say_trouble(self, made: Made, checks: list[str]) -> None:
        said = list(checks)
        if made.summary.cancelled:
            said.insert(0, summary_file.stopped(made))
            if not made.summary.text:
                said.insert(1, _("That is too little for a summary."))
        self.notice("\n".join(said), kind="warning")

    def _say_facts(self, made: Made) -> None:
        summary = made.summary
        parts = _("{read} of {parts} parts read").format(
            read=number(summary.parts_read), parts=number(summary.parts)
        )
        words = count_words(summary.text)
        counted = ngettext("{count} word", "{count} words", words).format(count=number(words))
        language = language_name(summary.language) if summary.language else ""
        facts = [parts, language, counted, duration(made.seconds)]
        self.query_one("#status", Static).update(Content(" · ".join(filter(None, facts))))

    @on(OptionList.OptionHighlighted, "#sentences")
    def show_passages(self, event: OptionList.OptionHighlighted) -> None:
        if self.made is None:
            return
        place = event.option_index
        if place < len(self.made.passages):
            shown = _passages(self.made.passages[place])
        else:
            checks = summary_file.checks(self.made, self.job)
            shown = Content("\n\n").join(Content(f"• {check}") for check in checks)
        self.query_one("#passages", Static).update(shown)
        self.query_one("#source").scroll_home(animate=False)

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.summarizing is not None and not self.summarizing.stopped
        if action == "again":
            done = self.made is not None and not self.made.summary.cancelled
            return self.summarizing is None and not done
        if action in ("export", "copy"):
            return self.made is not None and bool(self.made.summary.text)
        return True

    def action_stop(self) -> None:
        if self.summarizing is not None:
            self.summarizing.stop()
            self.flow()
            self.refresh_bindings()

    def action_again(self) -> None:
        self.start()

    def action_copy(self) -> None:
        if self.made is not None:
            self.app.copy_to_clipboard(clean(self.made.summary.text))
            copied = _("The summary is in the clipboard, as far as this terminal has one.")
            self.notice(copied, kind="hint")

    def action_export(self) -> None:
        source = self.job.source
        # A name with control characters is not passed on.
        name = f"{one_line(source.stem)}-{_('summary')}" if source else _("summary")
        folder = source.parent if source else Path.cwd()
        suggested = folder / f"{name}{summary_file.ENDINGS[0]}"
        lead = N_("Write the summary and what it stands on to:")
        choices = [(lead, self.take_path)]
        self.edgekit.open_screen("export", suggested, summary_file.ENDINGS, choices)

    def take_path(self, path: Path) -> None:
        if self.made is not None:
            self.write(self.made, path)

    @work(thread=True, group="export")
    def write(self, made: Made, path: Path) -> None:
        try:
            summary_file.export(made, self.job, path)
        except EdgekitError as error:
            self.app.call_from_thread(self.notice, in_words(error))
        except OSError as error:
            self.app.call_from_thread(self.notice, f"{path}: {error.strerror}")
        else:
            self.post_message(Exported(path, 1))

    @on(Exported)
    def take_export(self, message: Exported) -> None:
        text = _("The summary was written to {path}").format(path=message.path)
        self.notice(text, kind="hint")

    def on_unmount(self) -> None:
        if self.summarizing is not None:
            self.summarizing.stop()


def _share(progress: Progress, job: SummaryJob) -> tuple[float, str]:
    """The share that is done, for the bar and in words."""
    wanted = number(job.words)
    written = _("{count} of about {wanted} words written").format(
        count=number(progress.written), wanted=wanted
    )
    if not progress.parts:
        return 0.0, ""
    parts = _("{read} of {parts} parts read").format(
        read=number(progress.parts_read), parts=number(progress.parts)
    )
    if progress.parts == 1:
        return min(1.0, progress.written / job.words), written if progress.written else parts
    share = progress.parts_read / progress.parts
    return share, f"{parts} · {written}" if progress.written else parts


def _marked(sentence: str, flagged: Iterable[str]) -> Content:
    """A sentence in which numbers and names missing from the text stand out in shape too."""
    shown = content(one_line(sentence, most=2000))
    for name in map(clean, flagged):
        at = shown.plain.find(name)
        while name and at >= 0:
            shown = shown.stylize("underline bold $warning", at, at + len(name))
            at = shown.plain.find(name, at + len(name))
    return shown


def _passages(those: Iterable[Passage]) -> Content:
    parts = [
        Content.assemble(
            (_("IN THE TEXT"), "$muted bold"),
            (f" · {summary_file.where(passage)}", "$muted"), "\n",
            (_joined(passage.before, "", " "), "$muted"),
            (clean(passage.text), "bold"),
            (_joined("", passage.after, " "), "$muted"),
        )
        for passage in those
    ]  # fmt: skip
    if not parts:
        none = _("No sentence of the text is close to this one: check it.")
        return Content(none).stylize("$warning")
    return Content("\n\n").join(parts)


def _joined(before: str, after: str, gap: str) -> str:
    """What stands around a sentence, with a space to it unless a line ends there."""
    text = clean(before or after)
    if not text or text.startswith("\n") or text.endswith("\n"):
        return text
    return f"{text}{gap}" if before else f"{gap}{text}"

"""One artifact: what its manifest says, its quality by language, its memory; and verify."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from edgekit.artifact.folder import FileEntry, Manifest, verify
from edgekit.runtime.memory import needed_bytes
from edgekit.runtime.opening import self_test
from edgekit.system import room
from edgekit.tasks import quality
from edgekit.tasks.quality import ALL, LANGUAGE, SURELY, Quality, Section
from edgekit_tui.found import Found
from edgekit_tui.i18n import N_, _, language_name, ngettext, number, percent, size
from edgekit_tui.messages import Progressed, Verified
from edgekit_tui.screens import task_screen
from edgekit_tui.screens.page import Page
from edgekit_tui.text import content, one_line, path_text
from edgekit_tui.widgets.bar import Bar
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.scores import bar_line

_NAMES = 16
_BAR = 20
_VERDICTS = {
    "PASS": N_("what was asked of it holds"),
    "FAIL": N_("what was asked of it does not hold"),
    "INCONCLUSIVE": N_("too few test rows to say whether what was asked of it holds"),
}
_MEASURES = {
    "accuracy": N_("share of right answers"),
    "right": N_("share of right answers"),
    "same choice": N_("same choice as the large model"),
}
"""What the names of measures mean; others, such as macro-F1, are the same in every language."""
_CAVEATS = (
    N_("A linear model that learnt from the same rows is better."),
    N_("It is not shown to be better than a linear model that learnt from the same rows."),
)
"""What a task may say of an artifact, for the catalogues; any other caveat is shown in English."""


class ArtifactScreen(Page):
    TITLE_TEXT = N_("Artifact")
    HELP_TEXT = N_(
        "What the artifact says of itself. Verify reads every file again, compares it with what "
        "was written when it was built, and asks the model for the answers it must give."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "use", N_("Use"), id="artifact.use"),
        Binding("v", "verify", N_("Verify"), id="artifact.verify"),
    ]

    def __init__(self, shown: Found) -> None:
        super().__init__()
        self.shown = shown
        self._said = ("", "hint")

    def body(self) -> Iterable[Widget]:
        yield Notice(id="notice")
        yield Bar(id="bar")
        with VerticalScroll(id="facts"):
            if self.shown.artifact is not None:
                manifest = self.shown.artifact.manifest
                for name, text in _facts(self.shown, manifest).items():
                    yield _Fact(name, text)
                yield Static(_quality(manifest), id="quality", markup=False)

    def fill(self) -> None:
        self.top.say(self.shown.name)
        self.query_one("#bar").display = False
        self.query_one("#facts").focus()
        self.notice(self._said[0], kind=self._said[1])

    def action_use(self) -> None:
        if self.shown.artifact is not None:
            screen = task_screen(self.shown.artifact.manifest.task, self.shown.folder)
            if screen is not None:
                self.app.push_screen(screen)

    def action_verify(self) -> None:
        self.query_one("#bar").display = True
        self.query_one("#bar", Bar).show(0)
        self._say(_("Reading every file…"), "hint")
        self.verify()

    @work(thread=True, exclusive=True, group="verify")
    def verify(self) -> None:
        artifact = self.shown.artifact
        if artifact is None:
            return
        done = 0

        def tell(entry: FileEntry) -> None:
            nonlocal done
            done += entry.size_bytes
            self.post_message(Progressed(done, artifact.manifest.needs.disk_bytes))

        with self.reporting():
            verify(artifact, on_file=tell)
            self.post_message(Verified(len(artifact.manifest.files), self_test(artifact)))

    @on(Progressed)
    def take_progress(self, message: Progressed) -> None:
        self.query_one("#bar", Bar).show(message.done / max(1, message.total))

    @on(Verified)
    def take(self, message: Verified) -> None:
        self.query_one("#bar").display = False
        text = _("All right: {files} files and {answers} answers are as they were built.")
        text = text.format(files=number(message.files), answers=number(message.answers))
        self._say(text, "good")

    def fail(self, sentence: str) -> None:
        self.query_one("#bar").display = False
        self._say(sentence, "error")

    def _say(self, text: str, kind: str) -> None:
        self._said = (text, kind)
        self.notice(text, kind=kind)


class _Fact(Horizontal):
    """A name and its value, which may take several lines."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self._title, self._text = name, text

    def compose(self) -> ComposeResult:
        yield Static(Content(self._title), classes="fact-name", markup=False)
        yield Static(content(self._text), classes="fact-text", markup=False)


def _facts(shown: Found, manifest: Manifest) -> dict[str, str]:
    languages = ", ".join(language_name(code) for code in manifest.languages)
    labels = ngettext("{count} label", "{count} labels", len(manifest.labels))
    labels = labels.format(count=number(len(manifest.labels)))
    fits = _("it fits")
    if not shown.fits and room.freeing(needed_bytes(manifest)):
        fits = _("it does not fit now; close other programs")
    elif not shown.fits:
        fits = _("it does not fit into this machine's memory")
    memory = _("needs {needed}, {free} are free: {fits}").format(
        needed=size(needed_bytes(manifest)), free=size(shown.available_bytes), fits=fits
    )
    model = f"{manifest.model.format} {manifest.model.quantization}, "
    model += _("{millions} million parameters").format(
        millions=number(round(manifest.model.parameters / 1e6, 1))
    )
    facts = {
        _("languages"): languages,
        _("labels"): f"{labels}: {', '.join(manifest.labels)}" if manifest.labels else "",
        _("model"): model,
        _("disk"): size(manifest.needs.disk_bytes),
        _("memory"): memory,
        _("licence"): manifest.licence,
        _("folder"): path_text(shown.folder),
        _("made by"): " → ".join(str(step.get("step", "?")) for step in manifest.steps),
    }
    return {name: one_line(text, most=400) for name, text in facts.items() if text}


def _quality(manifest: Manifest) -> Content:
    """The verdict, what casts doubt on it, and a bar for each language, the best first.

    Beside a bar stands the bound that decides the verdict, where there is one.
    """
    found = quality.read(manifest.task, manifest.quality)
    if found is None:
        return Content(_("Quality was not judged: the recipe named no test set."))
    name, scores = _scores(found)
    bounds = _bounds(found)
    title = _("QUALITY BY LANGUAGE ({measure})").format(measure=_(_MEASURES.get(name, name)))
    lines = [Content(one_line(title)).stylize("$muted bold")] if scores else []
    if found.verdict:
        colour = "$success bold" if found.verdict == "PASS" else "$warning bold"
        why = _(_VERDICTS[found.verdict])
        lines.append(Content.assemble((found.verdict, colour), "  ", (why, "$muted")))
    if found.caveat:
        lines.append(content(one_line(_(found.caveat), most=400)).stylize("$warning"))
    for code, score in sorted(scores.items(), key=lambda pair: -pair[1]):
        lines.append(_bar(code, score, bounds.get(code)))
    if bounds:
        told = _("kept ≥: what is surely left of the large model's quality; it decides the verdict")
        lines.append(Content(told).stylize("$muted"))
    return Content("\n").join(lines)


def _bar(code: str, score: float, bound: float | None) -> Content:
    shown = content(one_line(language_name(code), most=_NAMES))
    gap = " " * max(1, _NAMES + 1 - shown.cell_length)
    kept = (
        "" if bound is None else "  " + _("kept ≥ {share}").format(share=percent(bound, digits=1))
    )
    line = bar_line(score, _BAR, "$primary")
    return Content.assemble(shown, gap, line, f" {percent(score, digits=1):>7}", (kept, "$muted"))


def _scores(found: Quality) -> tuple[str, dict[str, float]]:
    """The first measure known by language: its name, and each language's share."""
    for section in found.sections:
        for place, measure in enumerate(section.measures):
            scores = _figures(section, place)
            if section.head == LANGUAGE and measure.is_share and scores:
                return measure.name, scores
    return "", {}


def _bounds(found: Quality) -> dict[str, float]:
    """The share of the teacher's quality that each language surely keeps, where it is known."""
    for section in found.sections:
        names = [measure.name for measure in section.measures]
        if section.head == LANGUAGE and SURELY in names:
            return _figures(section, names.index(SURELY))
    return {}


def _figures(section: Section, place: int) -> dict[str, float]:
    figures = {code: row[place] for code, row in section.parts.items() if code != ALL}
    return {code: one for code, one in figures.items() if one is not None}

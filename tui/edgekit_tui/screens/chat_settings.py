"""Settings for one chat: the system prompt, and how the model answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import OptionList, Static

from edgekit_tui.history import ChatSettings
from edgekit_tui.i18n import N_, _
from edgekit_tui.screens.page import Page
from edgekit_tui.settings import Setting
from edgekit_tui.widgets.choices import Choices
from edgekit_tui.widgets.field import TextField

_AUTO = "auto"
_MODEL = "model"
SETTINGS = (
    Setting(
        "temperature",
        N_("Answers"),
        N_("The likeliest words give the same answer each time; freer ones surprise."),
        {
            _AUTO: N_("As the model's authors advise"),
            "0": N_("The likeliest words"),
            "0.7": N_("Freer"),
            "1.2": N_("Very free"),
        },
    ),
    Setting(
        "max_tokens",
        N_("Length of an answer"),
        N_("A token is a short word or a part of a word; what is cut off says so."),
        {
            _AUTO: N_("As long as it takes"),
            "100": N_("At most 100 tokens"),
            "400": N_("At most 400 tokens"),
            "1000": N_("At most 1000 tokens"),
        },
    ),
    Setting(
        "drop_oldest",
        N_("When a chat is too long"),
        N_("A model reads only so much at once; what it is not shown stays in the chat."),
        {"no": N_("Ask me"), "yes": N_("Leave out the oldest")},
    ),
)


@dataclass(frozen=True, slots=True)
class Answerers:
    """The models that could answer, by their folders, and the one that does."""

    chosen: str
    names: Mapping[str, str]
    take: Callable[[str], None]
    """Receives the folder of another one."""


class ChatSettingsScreen(Page):
    TITLE_TEXT = N_("Chat settings")
    HELP_TEXT = N_(
        "For this chat alone. Write what the model is told to be; tab goes to the settings below, "
        "left and right change them. Esc keeps all of it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", N_("Keep"), id="chat_settings.keep"),
    ]

    def __init__(
        self,
        settings: ChatSettings,
        take: Callable[[ChatSettings], None],
        models: Answerers | None = None,
    ) -> None:
        """`take` receives the choices when the user leaves."""
        super().__init__()
        self._system = settings.system
        self._values = _as_values(settings)
        self._take, self._models = take, models
        self._offered: tuple[Setting, ...] = SETTINGS
        if models is not None and len(models.names) > 1:
            self._values[_MODEL] = models.chosen
            self._offered = (_of_models(models.names), *SETTINGS)

    def body(self) -> Iterable[Widget]:
        yield Static(_("WHAT THE MODEL IS TOLD TO BE"), classes="heading", markup=False)
        placeholder = _("For example: You are a patient teacher.")
        yield TextField(self._system, placeholder=placeholder, id="system")
        yield Choices(self._offered, id="settings")
        yield Static("", classes="muted", id="about", markup=False)

    def fill(self) -> None:
        self.query_one(Choices).show(self._values)
        self.query_one("#system").focus()

    @on(OptionList.OptionHighlighted)
    def explain(self) -> None:
        self.query_one("#about", Static).update(_(self.query_one(Choices).chosen.help))

    @on(Choices.Changed)
    def change(self, message: Choices.Changed) -> None:
        self._values[message.key] = message.value
        self.query_one(Choices).show(self._values)

    def action_back(self) -> None:
        self._take(_as_settings(self.query_one("#system", TextField).text, self._values))
        super().action_back()
        model = self._values.get(_MODEL)
        if self._models is not None and model is not None and model != self._models.chosen:
            self._models.take(model)


def _of_models(names: Mapping[str, str]) -> Setting:
    about = N_("The chat goes on with another one; what was said stays.")
    return Setting(_MODEL, N_("Model"), about, names)


def _as_values(settings: ChatSettings) -> dict[str, str]:
    """The choices that represent these settings."""
    wanted = {
        "temperature": _AUTO if settings.temperature is None else f"{settings.temperature:g}",
        "max_tokens": _AUTO if settings.max_tokens is None else str(settings.max_tokens),
        "drop_oldest": "yes" if settings.drop_oldest else "no",
    }
    return {
        setting.key: wanted[setting.key] if wanted[setting.key] in setting.choices
        else setting.default
        for setting in SETTINGS
    }  # fmt: skip


def _as_settings(system: str, values: Mapping[str, str]) -> ChatSettings:
    temperature, max_tokens = values["temperature"], values["max_tokens"]
    return ChatSettings(
        system=system,
        temperature=None if temperature == _AUTO else float(temperature),
        max_tokens=None if max_tokens == _AUTO else int(max_tokens),
        drop_oldest=values["drop_oldest"] == "yes",
    )

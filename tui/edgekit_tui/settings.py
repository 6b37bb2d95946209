"""The user's settings, as a table: the settings screen and the file are both made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import EdgekitError
from edgekit_tui import places
from edgekit_tui.i18n import LANGUAGES, N_


@dataclass(frozen=True, slots=True)
class Setting:
    """One choice among few; `choices` maps stored values to the shown ones."""

    key: str
    title: str
    help: str
    choices: Mapping[str, str]

    @property
    def default(self) -> str:
        return next(iter(self.choices))


SETTINGS = (
    Setting(
        "language",
        N_("Language"),
        N_("Of menus and messages; models read whatever they were trained on."),
        {"auto": N_("As the system"), **LANGUAGES},
    ),
    Setting(
        "theme",
        N_("Colours"),
        N_("High contrast and no colour are for difficult screens and eyes."),
        {
            "dark": N_("Dark"),
            "light": N_("Light"),
            "contrast": N_("High contrast"),
            "plain": N_("No colour"),
        },
    ),
    Setting(
        "direction",
        N_("Right-to-left text"),
        N_("Who turns Arabic and Hebrew: this app, the terminal, or nobody."),
        {
            "auto": N_("Find out"),
            "app": N_("This app"),
            "terminal": N_("The terminal"),
            "off": N_("Nobody"),
        },
    ),
    Setting(
        "threads",
        N_("Processor cores"),
        N_("How many a model may use; fewer leave the computer quicker for other work."),
        {"auto": N_("As suits the work"), "1": "1", "2": "2", "4": "4", "8": "8"},
    ),
    Setting(
        "max_ram",
        N_("Memory for a model"),
        N_("A model that needs more is refused instead of slowing everything down."),
        {
            "auto": N_("What is free"),
            "500MB": "500 MB",
            "1GB": "1 GB",
            "2GB": "2 GB",
            "4GB": "4 GB",
        },
    ),
    Setting(
        "keep",
        N_("Keep labelled files"),
        N_("How long the app keeps its own copy of results; exports are yours."),
        {
            "forever": N_("Until I remove them"),
            "30": N_("30 days"),
            "7": N_("7 days"),
            "0": N_("Keep nothing"),
        },
    ),
    Setting(
        "chats",
        N_("Keep chats"),
        N_("How long after the last word; with 'keep nothing' a chat ends with the app."),
        {
            "forever": N_("Until I remove them"),
            "30": N_("30 days"),
            "7": N_("7 days"),
            "0": N_("Keep nothing"),
        },
    ),
)

Values = dict[str, str]


def load() -> Values:
    """The stored settings, with defaults for the rest; EdgekitError for a damaged file."""
    values = {setting.key: setting.default for setting in SETTINGS}
    path = places.settings_file()
    if not path.exists():
        return values
    try:
        found = json.loads(path.read_bytes())
        values.update(
            (setting.key, found[setting.key])
            for setting in SETTINGS
            if found.get(setting.key) in setting.choices
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise EdgekitError(
            f"{path}: the settings cannot be read ({error}); the defaults are used. "
            "Change any setting to write the file anew."
        ) from error
    return values


def save(values: Values) -> None:
    data = json.dumps(values, indent=1, sort_keys=True).encode("utf-8")
    places.write_private(places.settings_file(), data)

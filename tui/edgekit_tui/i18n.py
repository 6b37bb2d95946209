"""The interface in the user's language: gettext catalogues, read as they are edited (.po).

`N_` marks a text that is translated where it is shown, as in tables and bindings.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from edgekit.errors import EdgekitError
from edgekit.wording import directions, language_names, translating

FOLDER = Path(__file__).parent / "locale"
SOURCE = "en"
LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "fr": "Français",
    "es": "Español",
    "pt": "Português",
    "ar": "العربية",
    "hi": "हिन्दी",
    "sw": "Kiswahili",
    "zh": "中文",
    "id": "Bahasa Indonesia",
    "bn": "বাংলা",
}


@dataclass(frozen=True, slots=True)
class Language:
    code: str
    locale: Locale
    catalogue: gettext.NullTranslations
    unconfirmed: int
    """How many texts no speaker has confirmed: those with gettext's flag `fuzzy`."""

    @property
    def base(self) -> str:
        return "R" if self.locale.text_direction == "rtl" else "L"


@cache
def language(code: str) -> Language:
    """Reads a catalogue; texts that nobody has confirmed are used too, and counted."""
    if code == SOURCE:
        return Language(code, Locale.parse(code), gettext.NullTranslations(), 0)
    with (FOLDER / f"{code}.po").open("rb") as stream:
        catalogue = read_po(stream, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue, use_fuzzy=True)
    compiled.seek(0)
    return Language(
        code,
        Locale.parse(code),
        gettext.GNUTranslations(compiled),
        sum(1 for message in catalogue if message.id and message.fuzzy),
    )


_chosen = [SOURCE]


def choose(code: str) -> Language:
    """Makes this the language of the interface; "auto" takes the environment's."""
    _chosen[0] = translating.from_environment() if code == "auto" else code
    return current()


def current() -> Language:
    return language(_chosen[0])


def in_words(error: EdgekitError | OSError) -> str:
    """What an error says, in the language of the interface as far as there is a text for it."""
    if isinstance(error, OSError):
        return str(error)
    return translating.sentence(error, current().code)


def _(message: str) -> str:
    return current().catalogue.gettext(message) if message else ""


def ngettext(one: str, many: str, count: int) -> str:
    return current().catalogue.ngettext(one, many, count)


def N_(message: str) -> str:  # noqa: N802  gettext's own name
    return message


def language_name(code: str) -> str:
    """`fr` -> 'French', `pt-BR` -> 'Portuguese (BR)', in the language of the interface; of a
    direction, both."""
    if both := directions.split(code):
        return f" {directions.ARROW} ".join(map(language_name, both))
    base, _, rest = code.replace("_", "-").partition("-")
    # Babel's tables lack some that texts are found to be in.
    name = current().locale.languages.get(base.lower()) or language_names.language_name(base)
    return f"{name} ({rest})" if rest else str(name)


def number(value: float) -> str:
    return format_decimal(value, locale=current().locale)


def rate(per_second: float) -> str:
    """Rounded to its accuracy: 12.3 -> '12', 3.21 -> '3.2'."""
    return number(round(per_second, 0 if per_second >= 10 else 1))


def percent(value: float, *, digits: int = 0) -> str:
    pattern = current().locale.percent_formats[None].pattern
    if digits:
        pattern = pattern.replace("0", f"0.{'0' * digits}", 1)
    return format_percent(value, pattern, locale=current().locale)


def size(count: float) -> str:
    """1234567 -> '1.2 MB', with the decimal sign of the language."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            digits = 0 if unit == "B" or count >= 100 else 1
            return f"{format_decimal(round(count, digits), locale=current().locale)} {unit}"
        count /= 1000
    return f"{format_decimal(round(count, 1), locale=current().locale)} GB"


def duration(seconds: float) -> str:
    """75 -> '1 min 15 s'."""
    if seconds < 60:
        return _("{seconds} s").format(seconds=number(max(1, round(seconds))))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("{minutes} min {seconds} s").format(minutes=number(minutes), seconds=number(rest))
    hours, minutes = divmod(minutes, 60)
    return _("{hours} h {minutes} min").format(hours=number(hours), minutes=number(minutes))


def day(seconds: float) -> str:
    """Seconds since 1970 -> 'Nov 22, 2026'."""
    return format_date(date.fromtimestamp(seconds), "medium", locale=current().locale)

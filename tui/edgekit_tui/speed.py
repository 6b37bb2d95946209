"""How fast this machine is, in words that a user can plan with."""

from __future__ import annotations

from edgekit_tui import power
from edgekit_tui.i18n import _, duration, number, rate

# Silent reading speed (Brysbaert 2019, doi 10.1016/j.jml.2019.104047): 238 words a minute.
READ_WORDS_PER_SECOND = 4.0
PAGE_WORDS = 300
# An answer that takes longer is reported in seconds.
_SOON_SECONDS = 1.0


def of_writing(words_per_second: float | None) -> list[str]:
    """Facts; where people read faster, also what that means for a page."""
    if words_per_second is None:
        return []
    facts = [_("{rate} words a second").format(rate=rate(words_per_second))]
    if words_per_second < READ_WORDS_PER_SECOND:
        page = _("a page of {words} words takes {time}")
        time = duration(PAGE_WORDS / words_per_second)
        facts.append(page.format(words=number(PAGE_WORDS), time=time))
    return [*facts, *_battery()]


def of_a_text(seconds: float) -> str:
    """How long a classifier takes for a text."""
    if seconds < _SOON_SECONDS:
        return _("{ms} ms a text").format(ms=number(max(1, round(seconds * 1000))))
    return _("{seconds} s a text").format(seconds=rate(seconds))


def of_answering(seconds: float) -> list[str]:
    """Facts about one answer; the battery matters where it takes long."""
    return [of_a_text(seconds), *(_battery() if seconds >= _SOON_SECONDS else [])]


def _battery() -> list[str]:
    return [fact for fact in (power.on_battery(),) if fact]

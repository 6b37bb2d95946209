"""Where a folded text has e-mail addresses, bank accounts, cards, phones and national numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from edgekit.masking import national

EMAIL, ACCOUNT, CARD, NUMBER, PHONE = "[e-mail]", "[IBAN]", "[card]", "[number]", "[phone]"
# Where the ten languages of the app are spoken by many; a number with + needs none of them.
REGIONS = (
    "US", "GB", "IN", "BD", "EG", "SA", "MA", "ES", "MX", "FR", "ID", "BR", "PT", "KE", "TZ", "CN",
)  # fmt: skip
WITHOUT_ZERO = ("US", "IN", "ES", "PT", "BR", "CN")
"""Regions whose numbers begin with no 0 within the country."""
FEWEST_DIGITS = 7
"""Of a phone number, the shortest of what is looked for."""
_MOST_GROUPS = 8

# A dot at either end belongs to the sentence; letters of any script are allowed (RFC 6531).
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*\Z")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_](?:[\w-]{0,61}[^\W_])")
_MOST_LOCAL, _MOST_DOMAIN = 64, 255
_ACCOUNT = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?"
    r"(?![A-Za-z0-9])"
)
_RUN = re.compile(
    r"(?<![A-Za-z0-9])(?:\+|\(\+?)?\d+(?:(?:\) ?|[ .\-/]|-\(| ?\()\d+)*(?![A-Za-z0-9])"
)
_GROUP = re.compile(r"\d+")
# Between letters of another script a number may stand without spaces.
_MOBILE = re.compile(r"(?<![A-Za-z0-9])\d{7,12}(?![A-Za-z0-9])")
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9][A-Za-z0-9.+\-]{6,19}[A-Za-z0-9](?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Found:
    """A part of the folded text, and what is put in its place."""

    start: int
    end: int
    place: str


def find(text: str) -> list[Found]:
    """All that was found, in order, none over another: of two that overlap the surer."""
    taken, found = bytearray(len(text)), list[Found]()
    for search in _searches(text):
        for one in search(text):
            if not any(taken[one.start : one.end]):
                taken[one.start : one.end] = b"x" * (one.end - one.start)
                found.append(one)
    return sorted(found, key=lambda one: one.start)


def _searches(text: str) -> Sequence[Callable[[str], Iterator[Found]]]:
    """The surest first."""
    if sum(map(str.isdigit, text)) < FEWEST_DIGITS:
        return (_emails,)  # most texts: nothing else is asked
    return (_emails, _accounts, _grouped_phones, _mobiles, _numbers, _words)


def _emails(text: str) -> Iterator[Found]:
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(0, at - _MOST_LOCAL), at)
        domain = _DOMAIN.match(text, at + 1, at + 1 + _MOST_DOMAIN)
        if local and domain:
            yield Found(local.start(), domain.end(), EMAIL)
        at = text.find("@", at + 1)


def _accounts(text: str) -> Iterator[Found]:
    from stdnum import iban  # an extra

    for match in _ACCOUNT.finditer(text):
        written = match[0]
        # What follows may be the next word: shorter ones are tried, group by group.
        while written:
            if iban.is_valid(written):
                yield Found(match.start(), match.start() + len(written), ACCOUNT)
                break
            written = written.rpartition(" ")[0]


def _numbers(text: str) -> Iterator[Found]:
    """Cards and national numbers, in any groups that stand beside each other."""
    from stdnum import luhn  # an extra

    for run in _RUN.finditer(text):
        groups = [match.span() for match in _GROUP.finditer(text, run.start(), run.end())]
        at = 0
        while at < len(groups):
            for end in range(min(len(groups), at + _MOST_GROUPS), at, -1):
                parts = [text[a:b] for a, b in groups[at:end]]
                digits = "".join(parts)
                if 13 <= len(digits) <= 19 and digits[0] in "23456" and luhn.is_valid(digits):
                    place = CARD
                elif national.of_digits(digits, tuple(map(len, parts))):
                    place = NUMBER
                else:
                    continue
                yield Found(groups[at][0], groups[end - 1][1], place)
                at = end - 1
                break
            at += 1


def _words(text: str) -> Iterator[Found]:
    for match in _WORD.finditer(text):
        word = match[0]
        if (
            sum(mark.isdigit() for mark in word) >= 4
            and any(mark.isalpha() for mark in word)
            and national.of_letters(word)
        ):
            yield Found(match.start(), match.end(), NUMBER)


def _grouped_phones(text: str) -> Iterator[Found]:
    """Numbers with +, and those in the groups that their country writes."""
    import phonenumbers  # an extra

    valid, grouped = phonenumbers.Leniency.VALID, phonenumbers.Leniency.STRICT_GROUPING
    for run in _runs(text):
        written = run[0]
        if "+" in written:
            yield from _matches(run, (None,), valid)
        elif len(_GROUP.findall(written)) > 1:
            yield from _matches(run, REGIONS, grouped)


def _mobiles(text: str) -> Iterator[Found]:
    """Digits in one group: with the 0 that stands before a number within a country, or those of a
    mobile where there is none."""
    import phonenumbers  # an extra

    kinds = phonenumbers.PhoneNumberType
    for match in _MOBILE.finditer(text):
        for region in REGIONS if match[0].startswith("0") else WITHOUT_ZERO:
            with suppress(phonenumbers.NumberParseException):
                number = phonenumbers.parse(match[0], region)
                if phonenumbers.is_valid_number_for_region(
                    number, region
                ) and phonenumbers.number_type(number) in (
                    kinds.MOBILE,
                    kinds.FIXED_LINE_OR_MOBILE,
                ):
                    yield Found(match.start(), match.end(), PHONE)
                    break


def _runs(text: str) -> Iterator[re.Match[str]]:
    for run in _RUN.finditer(text):
        if sum(map(str.isdigit, run[0])) >= FEWEST_DIGITS:
            yield run


def _matches(run: re.Match[str], regions: Sequence[str | None], leniency: int) -> Iterator[Found]:
    import phonenumbers  # an extra

    found = [
        Found(run.start() + match.start, run.start() + match.end, PHONE)
        for region in regions
        for match in phonenumbers.PhoneNumberMatcher(run[0], region, leniency)
    ]
    # A part of the number may be one of another region.
    yield from sorted(found, key=lambda one: one.start - one.end)

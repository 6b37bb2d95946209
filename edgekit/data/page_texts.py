"""Makes one text of a PDF's pages: no running heads, whole words, sentences across page ends.

Reads no file. Nothing but running lines is left out: those that most pages begin or end with, and
those that count the pages.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

# Lines at the top of a page, and as many at its foot, that may run through a book.
_MARGIN_LINES = 2
_LEAST_PAGES = 3
_LEAST_SHARE = 0.3
_LONGEST = 120
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
# A word that a line's end broke, the rest of it, and the space that then becomes the line's end.
_BROKEN = re.compile(
    r"(?P<first>[^\W\d_]+)(?P<hyphen>[-‐\u00ad])[^\S\n]*\n[^\S\n]*(?P<rest>[^\W\d_]+)"
    r"(?P<after>[^\s]*)(?P<gap>[^\S\n]?)"
)


def mended(pages: Sequence[str]) -> list[str]:
    """The pages as one reads them: each is as long as it was, or shorter."""
    texts = ["\n".join(lines) for lines in _without_running([page.split("\n") for page in pages])]
    if not any(_BROKEN.search(text) for text in texts):
        return texts
    words = Counter(word.casefold() for text in texts for word in _WORD.findall(text))
    return [_BROKEN.sub(lambda found: _whole(found, words), text) for text in texts]


def _whole(found: re.Match[str], words: Counter[str]) -> str:
    first, hyphen, rest = found["first"], found["hyphen"], found["rest"]
    joined, kept = f"{first}{rest}", f"{first}-{rest}"
    # "Jean-\nPaul", and what the text writes with its hyphen elsewhere.
    keeps = hyphen != "\u00ad" and (
        not rest[:1].islower() or words[kept.casefold()] > words[joined.casefold()]
    )
    return (kept if keeps else joined) + found["after"] + ("\n" if found["gap"] else "")


def _without_running(pages: list[list[str]]) -> Iterator[list[str]]:
    """Pages without the lines that run through them."""
    running = _running(pages)
    for page in pages:
        top, foot = _margins(page)
        out = {at for at in top if _key("top", page[at]) in running}
        out |= {at for at in foot if _key("foot", page[at]) in running}
        yield [line for at, line in enumerate(page) if at not in out]


def _running(pages: list[list[str]]) -> set[tuple[str, str]]:
    seen: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for number, page in enumerate(pages):
        top, foot = _margins(page)
        for side, places in (("top", top), ("foot", foot)):
            for at in places:
                if len(page[at]) <= _LONGEST:
                    seen[_key(side, page[at])].append((number, page[at].strip()))
    most = max(_LEAST_PAGES, _LEAST_SHARE * len(pages))
    return {
        key
        for key, lines in seen.items()
        if len(lines) >= _LEAST_PAGES and (_counts_pages(lines) or _same(lines) >= most)
    }


def _margins(page: Sequence[str]) -> tuple[list[int], list[int]]:
    """The places of a page's first lines and of its last ones; half of a short page is neither."""
    places = [at for at, line in enumerate(page) if line.strip()]
    most = min(_MARGIN_LINES, len(places) // 2)
    return places[:most], places[len(places) - most :]


def _key(side: str, line: str) -> tuple[str, str]:
    return side, _DIGITS.sub("#", " ".join(line.split()))


def _same(lines: Sequence[tuple[int, str]]) -> int:
    return max(Counter(line for _, line in lines).values())


def _counts_pages(lines: Sequence[tuple[int, str]]) -> bool:
    """Whether a number in the line goes up as the pages do."""
    offsets = Counter(
        (place, int(digits) - number)
        for number, line in lines
        for place, digits in enumerate(_DIGITS.findall(line))
        if len(digits) < 6
    )
    most = max(offsets.values(), default=0)
    return most >= _LEAST_PAGES and 2 * most > len(lines)

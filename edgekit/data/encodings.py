"""How the letters of a text file are written: a BOM, UTF-8, or a guess. Knows no format.

Whatever is UTF-8 from its first byte to its last is read as UTF-8. For anything else
charset-normalizer names the encodings that leave no odd signs, and of these the one wins in which
the text looks most like a language. A guess is a guess: `Encoding.guessed` says so.
"""

from __future__ import annotations

import codecs
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import IO, Any

from edgekit.data import language_of
from edgekit.data.refusals import told
from edgekit.errors import DataError, MissingExtra

MAX_LINE = 10_000_000
"""The most characters of a line."""
Lines = Iterator[tuple[int, str]]
"""The lines of a file, numbered from 1, line ends kept."""

_CHUNK = 1 << 20
# Of UTF-16, the line ends, spaces and signs have a NUL each, whatever the script.
_LEAST_NULS = 50
_SAMPLE = 64_000
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CJK = frozenset({"zh", "ja", "ko"})
# What each is called, and the languages that it was made for. Of two that read the same, the first.
PAGES: dict[str, tuple[str, frozenset[str]]] = {
    "cp1252": ("Windows-1252, Western Europe", frozenset()),
    "cp1251": ("Windows-1251, Cyrillic", frozenset({"ru", "uk", "be", "bg", "sr", "mk"})),
    "cp1256": ("Windows-1256, Arabic", frozenset({"ar", "fa", "ur"})),
    "gb18030": ("GB 18030, Chinese", frozenset({"zh"})),
    "cp1250": (
        "Windows-1250, Central Europe",
        frozenset({"pl", "cs", "sk", "hu", "sl", "hr", "bs", "ro", "sq"}),
    ),
    "cp1254": ("Windows-1254, Turkish", frozenset({"tr", "az"})),
    "big5": ("Big5, Chinese", frozenset({"zh"})),
    "cp932": ("Shift JIS, Japanese", frozenset({"ja"})),
    "cp949": ("Windows-949, Korean", frozenset({"ko"})),
    "cp1255": ("Windows-1255, Hebrew", frozenset({"he", "yi"})),
    "cp1253": ("Windows-1253, Greek", frozenset({"el"})),
    "cp874": ("Windows-874, Thai", frozenset({"th"})),
    "cp1257": ("Windows-1257, Baltic", frozenset({"lt", "lv", "et"})),
    "cp1258": ("Windows-1258, Vietnamese", frozenset({"vi"})),
    "mac_roman": ("Mac Roman", frozenset()),
    "cp850": ("DOS 850, Western Europe", frozenset()),
}
# How much odd signs may differ between encodings that are weighed by language.
_CHAOS = 8
_LONE = re.compile(r"[\ud800-\udfff]")
_OWN, _OWN_SCRIPT = 0.05, 0.3


@dataclass(frozen=True, slots=True)
class Encoding:
    codec: str
    """Python's name of it."""
    guessed: bool = False

    @property
    def title(self) -> str:
        """For people."""
        names = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16"}
        return PAGES[self.codec][0] if self.codec in PAGES else names.get(
            self.codec, self.codec.upper()
        )  # fmt: skip


UTF_8 = Encoding("utf-8")


def named(name: str) -> Encoding:
    """The encoding that a person named, as in `--encoding`; DataError for what is none."""
    try:
        found = codecs.lookup(name).name
        "a".encode(found).decode(found)
    except (LookupError, UnicodeError, TypeError, AttributeError):
        raise DataError(told("no-encoding", {"name": name[:40]})) from None
    return Encoding({"utf-8": "utf-8-sig"}.get(found, found))


def found_in(stream: IO[bytes], name: str) -> Encoding:
    """The encoding of a file, which is read whole; `name` is for messages."""
    stream.seek(0)
    head = stream.read(_CHUNK)
    if (said := _by_bom(head)) is not None:
        return said
    if b"\0" in head and (wide := _wide(head)):
        return Encoding(wide, guessed=True)
    stream.seek(0)
    whole, sample = _scan(stream)
    if whole:
        return UTF_8
    text = sample.decode("utf-8", errors="replace")
    odd = text.count("�")
    if sum(letter > "\x7f" for letter in text) - odd > 4 * odd:
        # One letter is broken, and the rest would be garbled in any other encoding.
        raise _fault(stream, UTF_8, name)
    return _guess(sample, name)


def said_in(stream: IO[bytes]) -> Encoding:
    """What a BOM says, else UTF-8, whether the rest is or not."""
    stream.seek(0)
    return _by_bom(stream.read(4)) or UTF_8


def certain_in(stream: IO[bytes], name: str) -> Encoding:
    """UTF-16 or UTF-32 with a BOM, else UTF-8; DataError for a file in another encoding."""
    if (said := said_in(stream)).codec not in ("utf-8", "utf-8-sig"):
        return said
    stream.seek(0)
    if not _scan(stream)[0]:
        raise _fault(stream, UTF_8, name)
    return UTF_8


def _by_bom(head: bytes) -> Encoding | None:
    return next((Encoding(codec) for bom, codec in _BOMS.items() if head.startswith(bom)), None)


def lines(stream: IO[bytes], encoding: Encoding, name: str) -> Lines:
    """The lines of a file; \\n, \\r\\n and a lone \\r end one. Raises DataError."""
    stream.seek(0)
    # What cannot be decoded is kept for now, so that the lines before it can be used.
    text = TextIOWrapper(
        _Open(stream),  # type: ignore[type-var]
        encoding.codec,
        errors="surrogateescape",
        newline="",
    )
    number = 0
    try:
        while line := text.readline(MAX_LINE + 1):
            number += 1
            yield number, _checked(line, f"{name}:{number}", encoding)
    except UnicodeError:
        raise _fault(stream, encoding, name) from None


def text(stream: IO[bytes], encoding: Encoding, name: str) -> str:
    """The whole of a file in this encoding. Raises DataError."""
    stream.seek(0)
    try:
        return stream.read().decode(encoding.codec)
    except UnicodeError:
        raise _fault(stream, encoding, name) from None


class _Open:
    """A stream that whoever wraps it does not close."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.closed = False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    read1 = read


def _checked(line: str, place: str, encoding: Encoding) -> str:
    if len(line) > MAX_LINE:
        raise DataError(told("line-too-long", {"place": place}))
    if "\0" in line:
        raise DataError(told("line-nul", {"place": place}))
    if not line.isascii() and (lone := _LONE.search(line)):
        raise _unread(place, line[: lone.start()], encoding)
    return line


def _unread(place: str, before: str, encoding: Encoding) -> DataError:
    after = f"after '{before[-30:]}'" if before else "at its beginning"
    return DataError(
        told("letter-unread", {"place": place, "where": after, "encoding": encoding.title})
    )


def _wide(head: bytes) -> str | None:
    """UTF-16 without a BOM has its NULs on one side of the pairs alone."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < max(2, len(head) // _LEAST_NULS):
        return None
    return "utf-16-le" if odd and not even else "utf-16-be" if even and not odd else None


def _scan(stream: IO[bytes]) -> tuple[bool, bytes]:
    """Whether a stream is UTF-8 as a whole, and lines that are more than ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    whole, sample, rest = True, bytearray(), b""
    while chunk := stream.read(_CHUNK):
        if whole:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                whole = False
        if len(sample) < _SAMPLE and not (rest + chunk).isascii():
            *full, rest = (rest + chunk).splitlines(keepends=True)
            sample += b"".join(line for line in full if not line.isascii())[:_SAMPLE]
        elif not whole:
            return False, bytes(sample)
    if whole:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            whole = False
    return whole, bytes(sample + rest[:_SAMPLE])


def _guess(sample: bytes, name: str) -> Encoding:
    if importlib.util.find_spec("charset_normalizer") is None:
        raise MissingExtra("charset-normalizer", "files")
    from charset_normalizer import from_bytes  # an extra

    # The last line may end within a letter.
    sample = sample[: sample.rfind(b"\n") + 1] or sample
    found = list(from_bytes(sample, cp_isolation=list(PAGES), threshold=0.4))
    chaos = {
        codec: match.percent_chaos
        for match in reversed(found)
        for codec in (*match.could_be_from_charset, match.encoding)
        if codec in PAGES
    }
    if not chaos:
        raise DataError(told("no-known-encoding", {"path": name}))
    least = min(chaos.values())
    order = list(PAGES)
    weighed = {
        codec: _weight(sample, codec) - odd / 100
        for codec, odd in chaos.items()
        if odd <= least + _CHAOS
    }
    best = max(weighed, key=lambda codec: (round(weighed[codec], 2), -order.index(codec)))
    return Encoding(best, guessed=True)


def _weight(sample: bytes, codec: str) -> float:
    """How much the text looks like a language, and like one that the encoding was made for."""
    try:
        language, certainty = language_of.likely(sample.decode(codec))
    except UnicodeDecodeError:
        return -1.0
    if language not in PAGES[codec][1]:
        return certainty
    return certainty + (_OWN_SCRIPT if language in _CJK or codec == "cp1256" else _OWN)


def _fault(stream: IO[bytes], encoding: Encoding, name: str) -> DataError:
    """Says where a letter cannot be read: the line, and what stands before it."""
    stream.seek(0)
    decoder: Any = codecs.getincrementaldecoder(encoding.codec)()
    for number, line in enumerate(stream, 1):
        try:
            decoder.decode(line)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding.codec, "ignore")
            return _unread(f"{name}:{number}", before, encoding)
    return DataError(told("last-letter-cut", {"path": name}))

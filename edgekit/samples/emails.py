"""Raw e-mails to plain text, and which of them are nearly the same. Knows no sets or labels."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from email.header import decode_header, make_header
from email.message import Message
from html.parser import HTMLParser

from edgekit.data.linked import Linked

# Text inside these is not shown to a reader.
_UNSEEN = frozenset({"script", "style", "title", "head", "noscript"})
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "table", "h1", "h2", "h3", "h4", "hr", "td"})
_REPLY = re.compile(r"^\s*((re|fwd?|aw)(\[\d+\])?\s*:|\[[^\]]{1,40}\])\s*", re.IGNORECASE)
_SHINGLE_WORDS = 4
_SIGNATURE = 24
# E-mails sharing this many of their smallest shingles are copies with other names or numbers.
_SHARED = 10


def text_of(raw: bytes) -> str:
    """Subject and body as a reader sees them; empty where there is nothing to read.

    Of alternatives the plain one is used, HTML becomes text, attachments and all other headers are
    left out.
    """
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    bodies = [_decode(part) for part in _bodies(message)]
    return _tidy("\n".join([_subject(message), *bodies]))


def thread_of(text: str) -> str:
    """The subject without marks of a reply, a list or a number: threads quote each other."""
    subject = text.split("\n", 1)[0]
    while (shorter := _REPLY.sub("", subject)) != subject:
        subject = shorter
    return " ".join(re.findall(r"[a-z]+", subject.lower()))


def group(texts: Sequence[str]) -> list[int]:
    """A number for each text; the same number for near copies and for texts of one thread.

    Near copies are found by the smallest hashes of their four-word shingles (Broder 1997).
    """
    groups = Linked(len(texts))
    threads: dict[str, int] = {}
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        thread = thread_of(text)
        if len(thread) > 3:
            groups.join(threads.setdefault(thread, number), number)
        shared: defaultdict[int, int] = defaultdict(int)
        for value in _signature(text):
            for other in holders[value]:
                shared[other] += 1
            holders[value].append(number)
        for other, count in shared.items():
            if count >= _SHARED:
                groups.join(other, number)
    return [groups.root(number) for number in range(len(texts))]


def _signature(text: str) -> list[int]:
    words = re.findall(r"[a-z]{2,}", text.lower())
    last = max(1, len(words) - _SHINGLE_WORDS + 1)
    shingles = {" ".join(words[at : at + _SHINGLE_WORDS]) for at in range(last)}
    hashes = (hashlib.blake2b(one.encode("ascii"), digest_size=8).digest() for one in shingles)
    return sorted(int.from_bytes(value, "big") for value in hashes)[:_SIGNATURE]


def _subject(message: Message) -> str:
    value = str(message.get("Subject", ""))
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        # A charset that does not exist, or bytes invalid in it: left as it is.
        return value


def _bodies(message: Message) -> Iterable[Message]:
    if message.get_content_type() == "multipart/alternative":
        parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
        plain = [part for part in parts if part.get_content_type() == "text/plain"]
        yield from (plain or parts)[:1]
    elif isinstance(children := message.get_payload(), list):
        for child in children:
            if isinstance(child, Message) and child.get_content_disposition() != "attachment":
                yield from _bodies(child)
    elif message.get_content_maintype() == "text":
        yield message


def _decode(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        text = data.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):
        # Many senders name no charset or a wrong one; this one accepts every byte.
        text = data.decode("cp1252", "replace")
    html = part.get_content_type() == "text/html" or re.search(r"<html|<body", text[:2000], re.I)
    return _from_html(text) if html else text


def _from_html(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.pieces)


class _Reader(HTMLParser):
    """Keeps what is shown, and drops the contents of _UNSEEN elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            # Many e-mails never close their head.
            self._unseen.clear()
        elif tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag in _BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            del self._unseen[self._unseen.index(tag) :]

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def _tidy(text: str) -> str:
    """No control characters, no runs of spaces, no empty lines."""
    shown = "".join(one if one.isprintable() or one == "\n" else " " for one in text)
    lines = (" ".join(line.split()) for line in shown.split("\n"))
    return "\n".join(line for line in lines if line)

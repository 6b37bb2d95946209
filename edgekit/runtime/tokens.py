"""Turns text into token ids, in windows that fit the model. Knows nothing of models or labels.

Builds and the runtime use this same class, so their ids are equal by construction.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgekit.artifact.specs import Frame
from edgekit.data.inputs import Input
from edgekit.errors import ContextOverflow, EdgekitError
from edgekit.runtime.refusals import told

TOKENIZER = "tokenizer.json"

# Longer texts are first cut into sections: tokenizing takes some 500 bytes for each character.
SECTION_CHARACTERS = 100_000

_SURROGATE = re.compile("[\ud800-\udfff]")
_SENTENCE_ENDS = frozenset(".!?…:;")
# These end a sentence or a line without a following space.
_CLOSED_ENDS = frozenset("\n。！？；؟।॥။።")


@dataclass(frozen=True, slots=True)
class Part:
    """The tokens of one window."""

    ids: list[int]
    types: tuple[int, ...] = ()
    """Of a pair: the type of each token, which says in which of the two texts it is (0 or 1, as the
    tokenizer's post-processor sets them). Empty for a single text, whose types are all 0."""


class TextTokenizer:
    """The token ids of texts, prefix and special tokens included; safe to use from many threads."""

    def __init__(
        self,
        tokenizer: Path | bytes | Tokenizer,
        *,
        prefix: str = "",
        max_tokens: int = 512,
        pairs: bool = False,
        frame: Frame | None = None,
    ) -> None:
        """`tokenizer` is the path of a tokenizer.json, its bytes, or one that was loaded;
        `max_tokens` the window's size; `pairs` says that the model reads pairs; a `frame` is put
        around texts in place of the file's own special tokens. Truncation and padding set in the
        file are turned off: they lose text silently.
        """
        self.tokenizer = (
            tokenizer if isinstance(tokenizer, Tokenizer) else load_tokenizer(tokenizer)
        )
        self._prefix = prefix
        self._frame = frame
        self._max_tokens = max_tokens
        self._pairs = pairs
        self._room = max_tokens - len(self._encode("").ids)
        if self._room < 1:
            raise EdgekitError(
                f"A window of {max_tokens} tokens leaves no room for text beside the prefix "
                f"'{prefix}' and the special tokens; set max_tokens higher."
            )

    def windows(self, given: Input) -> list[list[int]]:
        """The ids of each of the `parts`."""
        return [part.ids for part in self.parts(given)]

    def parts(self, given: Input) -> list[Part]:
        """The tokens of each window, at most `max_tokens`; one window if what is given fits.

        A longer text is cut into as few windows as possible, of similar length, at the ends of
        sentences or words if there are any; at most an eighth of a window is left free for that. Of
        a pair the first text is whole in every window, and the second is cut. Raises
        ContextOverflow if a single character takes more than a window, and if of a pair that does
        not fit into one the first text takes more than half.
        """
        if isinstance(given, str):
            return [
                Part(encoded.ids)
                for section in _sections(clean(given))
                for encoded in self._section_windows(section, None, self._room)
            ]
        first, second = map(clean, given)
        sections = list(_sections(second))
        encoded = self._encode(sections[0], first)
        if len(sections) == 1 and len(encoded.ids) <= self._max_tokens:
            return [Part(encoded.ids, tuple(encoded.type_ids))]
        room = self._max_tokens - len(self._encode("", first).ids)
        self._check_first(first, room)
        return [
            Part(encoded.ids, tuple(encoded.type_ids))
            for section in sections
            for encoded in self._section_windows(section, first, room)
        ]

    def edges(self) -> list[Part]:
        """Windows that reach the ends of a model's tables: one as long as any can be, and others
        with every added token and the piece with the highest id; of pairs, one with both types."""
        frame = self._encode("a").ids
        added = sorted(self.tokenizer.get_added_tokens_decoder())
        added.append(max(self.tokenizer.get_vocab().values()))
        room = max(1, self._max_tokens - len(frame))
        parts = [added[start : start + room] for start in range(0, len(added), room)]
        longest = frame * -(-self._max_tokens // max(1, len(frame)))
        windows = [longest[: self._max_tokens], *([*frame, *part] for part in parts)]
        return [*map(Part, windows), *(self.parts(("a", "a")) if self._pairs else ())]

    def _check_first(self, first: str, room: int) -> None:
        if 2 * room < self._max_tokens:
            shown = first if len(first) <= 40 else f"{first[:40]}…"
            raise ContextOverflow(told("pair-too-long", {"shown": shown, "most": self._max_tokens}))

    def _section_windows(self, text: str, first: str | None, room: int) -> Iterator[Any]:
        """The encodings of each window, behind the `first` text of a pair if there is one."""
        encoded = self._encode(text, first)
        if len(encoded.ids) <= self._max_tokens:
            yield encoded
            return
        # Where each token ends in the text; one that stands for no text ends where the last did.
        tokens = guarded(self.tokenizer.encode, text, add_special_tokens=False)
        ends = list(accumulate((end for _, end in tokens.offsets), max))
        start = 0
        while (at := bisect_right(ends, start)) < len(ends):
            last = _last_token(text, ends, at, room)
            while True:
                encoded = self._encode(text[start : ends[last]], first)
                if (over := len(encoded.ids) - self._max_tokens) <= 0:
                    break
                # Tokenized by itself, a piece can take a few more tokens than in its context.
                last -= over
                if last < at:
                    raise ContextOverflow(told("character-too-long", {"most": self._max_tokens}))
            yield encoded
            start = ends[last]

    def _encode(self, text: str, first: str | None = None) -> Any:
        if self._frame is not None:
            inner = guarded(self.tokenizer.encode, self._prefix + text, add_special_tokens=False)
            return Part([*self._frame.before, *inner.ids, *self._frame.after])
        if first is None:
            return guarded(self.tokenizer.encode, self._prefix + text)
        return guarded(self.tokenizer.encode, self._prefix + first, text)


def _last_token(text: str, ends: list[int], first: int, room: int) -> int:
    """The token to cut after: close to an even share, where the text has a pause."""
    left = len(ends) - first
    count = math.ceil(left / room)
    if count == 1:
        return len(ends) - 1
    even = first + left / count - 1
    slack = max(1.0, room / 8)
    earliest = max(math.ceil(even - slack), first)
    latest = min(math.floor(even + slack), first + room - 1)
    return max(
        range(earliest, latest + 1),
        key=lambda token: (_pause(text, ends[token]), -abs(token - even)),
    )


def clean(text: str) -> str:
    """The text in a form that tokenizers accept: a lone surrogate becomes U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def load_tokenizer(tokenizer: Path | bytes) -> Tokenizer:
    """From the path of a tokenizer.json or its bytes; it neither truncates nor pads."""
    data = tokenizer if isinstance(tokenizer, bytes) else tokenizer.read_bytes()
    place = "tokenizer.json" if isinstance(tokenizer, bytes) else tokenizer
    try:
        loaded = guarded(Tokenizer.from_buffer, data)
    except ValueError as error:
        raise EdgekitError(
            f"{place}: the package 'tokenizers' cannot read this file ({error}); "
            "save the tokenizer again with save_pretrained."
        ) from error
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def guarded(call: Any, *arguments: Any, **settings: Any) -> Any:
    """Calls into tokenizers, whose panics would slip past the caller's `except Exception`."""
    try:
        return call(*arguments, **settings)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise EdgekitError(
            f"The tokenizer broke down ({error}); its tokenizer.json is damaged or of a kind that "
            "the installed package 'tokenizers' does not know: pip install --upgrade tokenizers"
        ) from error


def _sections(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > SECTION_CHARACTERS:
        end = start + SECTION_CHARACTERS
        pause = max(range(end - 1000, end + 1), key=lambda at: (_pause(text, at), at))
        yield text[start:pause]
        start = pause
    yield text[start:]


def _pause(text: str, at: int) -> int:
    """How good a cut before text[at] is: 3 between sentences, 2 words, 1 letters, 0 forbidden."""
    if at >= len(text):
        return 3
    before, after = text[at - 1], text[at]
    if before in _CLOSED_ENDS:
        return 3
    if before.isspace():
        return 3 if at > 1 and text[at - 2] in _SENTENCE_ENDS else 2
    if after.isspace():
        return 3 if before in _SENTENCE_ENDS else 2
    return 0 if unicodedata.combining(after) or after == "\u200d" or before == "\u200d" else 1

"""Turns text into token ids, in windows that fit the model. Knows nothing of models or labels.

Builds and the runtime use this same class, so their ids are equal by construction.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgekit.errors import ContextOverflow, EdgekitError

TOKENIZER = "tokenizer.json"

# Longer texts are first cut into sections: tokenizing takes some 500 bytes for each character.
SECTION_CHARACTERS = 100_000

_SURROGATE = re.compile("[\ud800-\udfff]")
_SENTENCE_ENDS = frozenset(".!?…:;")
# These end a sentence or a line without a following space.
_CLOSED_ENDS = frozenset("\n。！？；؟।॥။።")


class TextTokenizer:
    """The token ids of texts, prefix and special tokens included; safe to use from many threads."""

    def __init__(self, tokenizer: Path | bytes, *, prefix: str = "", max_tokens: int = 512) -> None:
        """`tokenizer` is the path of a tokenizer.json or its bytes; `max_tokens` the window's
        size. Truncation and padding set in the file are turned off: they lose text silently.
        """
        self.tokenizer = load_tokenizer(tokenizer)
        self._prefix = prefix
        self._max_tokens = max_tokens
        self._room = max_tokens - len(self._encode("").ids)
        if self._room < 1:
            raise EdgekitError(
                f"A window of {max_tokens} tokens leaves no room for text beside the prefix "
                f"'{prefix}' and the special tokens; set max_tokens higher."
            )

    def windows(self, text: str) -> list[list[int]]:
        """The ids of each window, at most `max_tokens` long; one window if the text fits.

        A longer text is cut into as few windows as possible, of similar length, at the ends of
        sentences or words if there are any; at most an eighth of a window is left free for that.
        Raises ContextOverflow if a single character takes more than a window.
        """
        whole = clean(text)
        return [ids for section in _sections(whole) for ids in self._section_windows(section)]

    def edges(self) -> list[list[int]]:
        """Windows that reach the ends of a model's tables: one as long as any can be, and others
        with every added token and the piece with the highest id."""
        frame = self._encode("a").ids
        added = sorted(self.tokenizer.get_added_tokens_decoder())
        added.append(max(self.tokenizer.get_vocab().values()))
        room = max(1, self._max_tokens - len(frame))
        parts = [added[start : start + room] for start in range(0, len(added), room)]
        longest = frame * -(-self._max_tokens // max(1, len(frame)))
        return [longest[: self._max_tokens], *([*frame, *part] for part in parts)]

    def _section_windows(self, text: str) -> Iterator[list[int]]:
        ids = self._encode(text).ids
        if len(ids) <= self._max_tokens:
            yield ids
            return
        # Where each token ends in the text; one that stands for no text ends where the last did.
        tokens = guarded(self.tokenizer.encode, text, add_special_tokens=False)
        ends = list(accumulate((end for _, end in tokens.offsets), max))
        start = 0
        while (first := bisect_right(ends, start)) < len(ends):
            last = self._last_token(text, ends, first)
            while len(ids := self._encode(text[start : ends[last]]).ids) > self._max_tokens:
                # Tokenized by itself, a piece can take a few more tokens than in its context.
                last -= len(ids) - self._max_tokens
                if last < first:
                    raise ContextOverflow(
                        f"A single character takes more than the {self._max_tokens} tokens that "
                        "the model reads at once; use a model with a longer window."
                    )
            yield ids
            start = ends[last]

    def _last_token(self, text: str, ends: list[int], first: int) -> int:
        """The token to cut after: close to an even share, where the text has a pause."""
        left = len(ends) - first
        count = math.ceil(left / self._room)
        if count == 1:
            return len(ends) - 1
        even = first + left / count - 1
        slack = max(1.0, self._room / 8)
        earliest = max(math.ceil(even - slack), first)
        latest = min(math.floor(even + slack), first + self._room - 1)
        return max(
            range(earliest, latest + 1),
            key=lambda token: (_pause(text, ends[token]), -abs(token - even)),
        )

    def _encode(self, text: str) -> Any:
        return guarded(self.tokenizer.encode, self._prefix + text)


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

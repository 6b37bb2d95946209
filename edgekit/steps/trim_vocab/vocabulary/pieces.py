"""The pieces of a tokenizer.json: what each one spells, and which need which. Knows no language.

Trimming is exact where it can be: a text whose old tokens were all kept gets the same tokens.

- Unigram: the best path through fewer pieces is the old one, if it is still there. The cost of an
  unknown character depends on the lowest score of all, so one piece of that score always stays.
- WordPiece: the longest match among fewer pieces is the old one, if it is still there.
- BPE: a token is built by merges, and each needs the pieces that it joins. No merge crosses the
  edges of a final token, so the merges within a token are the same in any text: its ancestors
  there are all that it needs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex
from tokenizers import Tokenizer

from edgekit.errors import StepError
from edgekit.steps.trim_vocab.vocabulary import documents

KINDS = ("Unigram", "WordPiece", "BPE")
SPACE = "▁"
_BYTE = regex.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class Vocabulary:
    """A parsed tokenizer.json: its pieces by id, and what BPE knows of merging them."""

    document: Mapping[str, Any]
    ids: Mapping[str, int]
    """Every token that a text can produce, added tokens included."""
    added: frozenset[int]
    tokenizer: Tokenizer
    _ancestors: dict[int, frozenset[int]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return str(self.document["model"]["type"])

    @property
    def model(self) -> Mapping[str, Any]:
        model: Mapping[str, Any] = self.document["model"]
        return model

    @functools.cached_property
    def tokens(self) -> Mapping[int, str]:
        return {number: token for token, number in self.ids.items()}

    @functools.cached_property
    def byte_level(self) -> bool:
        """BPE over bytes: no text is ever unknown."""
        return self.kind == "BPE" and '"ByteLevel"' in json.dumps(
            [self.document.get("pre_tokenizer"), self.document.get("decoder")]
        )

    @functools.cached_property
    def bytes(self) -> frozenset[int]:
        """Pieces like <0x0A>, which spell what no other piece does."""
        return frozenset(number for token, number in self.ids.items() if _BYTE.fullmatch(token))

    @functools.cached_property
    def unknown(self) -> int | None:
        """The id of the token that stands for what no piece spells."""
        if self.kind == "Unigram":
            number = self.model.get("unk_id")
            return None if number is None else int(number)
        return self.ids.get(self.model.get("unk_token") or "")

    @functools.cached_property
    def scores(self) -> Mapping[int, float]:
        """Unigram's log-probabilities, by id; empty for the other kinds."""
        if self.kind != "Unigram":
            return {}
        return {number: score for number, (_, score) in enumerate(self.model["vocab"])}

    @functools.cached_property
    def ranks(self) -> Mapping[tuple[str, str], int]:
        """BPE's merges, the most urgent first; empty for the other kinds."""
        if self.kind != "BPE":
            return {}
        return {
            (merge[0], merge[1]): rank
            for rank, merge in enumerate(map(_pair, self.model["merges"]))
        }

    def spells(self, number: int) -> str | None:
        """What a piece stands for in a text, including a leading space; None for part of a letter,
        a byte or a token that is not text.
        """
        token = self.tokens[number]
        if number in self.added or _BYTE.fullmatch(token):
            return None
        if self.kind == "WordPiece":
            prefix = self.model.get("continuing_subword_prefix") or "##"
            return token.removeprefix(prefix) if token.startswith(prefix) else " " + token
        if self.byte_level:
            return _decoded(token)
        suffix = self.model.get("end_of_word_suffix")
        return (token.removesuffix(suffix) if suffix else token).replace(SPACE, " ")

    def needed(self) -> set[int]:
        """Ids without which texts would be split differently: never trimmed."""
        needed = {*self.added, *self.bytes}
        if self.unknown is not None:
            needed.add(self.unknown)
        if self.byte_level:
            needed.update(
                self.ids[letter] for letter in _byte_letters().values() if letter in self.ids
            )
        if self.scores:
            needed.add(min(self.scores, key=lambda number: self.scores[number]))
        return needed

    def ancestors(self, number: int) -> frozenset[int]:
        """The pieces that BPE joins on its way to this one; none for the other kinds."""
        if self.kind != "BPE" or number in self.added:
            return frozenset()
        if number not in self._ancestors:
            self._ancestors[number] = self._find_ancestors(number)
        return self._ancestors[number]

    def _find_ancestors(self, number: int) -> frozenset[int]:
        parts = self._letters(self.tokens[number])
        found = set(parts)
        while len(parts) > 1:
            at = min(range(len(parts) - 1), key=lambda i: self._rank(parts[i], parts[i + 1]))
            if (parts[at], parts[at + 1]) not in self.ranks:
                break  # no text produces this piece
            parts[at : at + 2] = [self.joined(parts[at], parts[at + 1])]
            found.add(parts[at])
        return frozenset(self.ids[part] for part in found if part in self.ids) - {number}

    def closed(self, kept: Iterable[int]) -> set[int]:
        """The pieces and everything they are made of."""
        kept = set(kept)
        return kept.union(*(self.ancestors(number) for number in kept))

    def _rank(self, left: str, right: str) -> int:
        return self.ranks.get((left, right), len(self.ranks))

    def joined(self, left: str, right: str) -> str:
        return left + right.removeprefix(self.model.get("continuing_subword_prefix") or "")

    def _letters(self, token: str) -> list[str]:
        """The units BPE begins with: letters, marked by their position in the word."""
        prefix = self.model.get("continuing_subword_prefix") or ""
        suffix = self.model.get("end_of_word_suffix") or ""
        inside = bool(prefix) and token.startswith(prefix)
        ends = bool(suffix) and token.endswith(suffix)
        plain = token.removeprefix(prefix) if inside else token
        plain = plain.removesuffix(suffix) if ends else plain
        letters = [prefix + one if i or inside else one for i, one in enumerate(plain)]
        if ends and letters:
            letters[-1] += suffix
        return letters


def read(path: Path, *, without: Collection[str] = ()) -> Vocabulary:
    """Reads a tokenizer.json, except the added tokens `without`. Raises StepError for a kind that
    cannot be trimmed exactly."""
    document = documents.read(path)
    if without:
        added = document.get("added_tokens", [])
        document["added_tokens"] = [one for one in added if one["content"] not in without]
    kind = document.get("model", {}).get("type")
    if kind not in KINDS:
        raise StepError(
            f"{path}: trim_vocab knows tokenizers of the kinds {', '.join(KINDS)}, and this one is "
            f"'{kind}'; leave the step out."
        )
    tokenizer = documents.tokenizer(document)
    return Vocabulary(
        document=document,
        ids=tokenizer.get_vocab(with_added_tokens=True),
        added=frozenset(tokenizer.get_added_tokens_decoder()),
        tokenizer=tokenizer,
    )


def _pair(merge: str | list[str]) -> list[str]:
    """Older files write a merge as 'left right'."""
    return merge.split(" ") if isinstance(merge, str) else merge


@functools.cache
def _byte_letters() -> Mapping[int, str]:
    """The letters in which byte-level BPE (GPT-2) writes the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in letters)
    letters.update({byte: chr(256 + number) for number, byte in enumerate(others)})
    return letters


@functools.cache
def _letter_bytes() -> Mapping[str, int]:
    return {letter: byte for byte, letter in _byte_letters().items()}


def _decoded(token: str) -> str | None:
    try:
        return bytes(_letter_bytes()[letter] for letter in token).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return None

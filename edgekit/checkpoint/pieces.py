"""A sentencepiece model whose pieces have numbers of their own, as one tokenizer.json. No model.

sentencepiece (Kudo and Richardson 2018, arXiv 1808.06226) cuts a text into pieces, and another file
numbers them: vocab.json, which for Marian also numbers the pieces of the other language. A
tokenizer.json has one list for both, so that pieces that no text may be cut into are HIDDEN there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.models import BPE, Unigram

SPACE = "▁"
HIDDEN = "\uffff"
"""Begins the name of a piece that texts are never cut into: a noncharacter, which no text has. The
decoder takes it away."""
_NORMAL = 1
_TYPES = (_NORMAL, 2, 3, 5)
"""Beside it an unknown, a control and an unused piece, which no text is cut into."""
_UNIGRAM, _BPE = 1, 2
_AS_ONE = "\ufffe"
"""What a run of unknown letters without a number becomes: a letter that is unknown itself."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What numbers the pieces."""

    ids: Mapping[str, int]
    added: Mapping[int, AddedToken]
    unknown: str
    end: str

    @property
    def size(self) -> int:
        return 1 + max(*self.ids.values(), *self.added)

    def name(self, token: str) -> int:
        return self.ids[token]


class UnknownKind(Exception):
    """A sentencepiece model with pieces that no tokenizer.json made here has; says which."""


def parse(data: bytes) -> Any:
    """The protocol buffer of a sentencepiece model's file; ValueError for another file."""
    from sentencepiece import sentencepiece_model_pb2

    library: Any = sentencepiece_model_pb2  # made by protobuf, without types

    proto = library.ModelProto()
    try:
        proto.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError, whose module differs between versions
        raise ValueError(str(error)) from error
    return proto


def lost(proto: Any, numbers: Numbers) -> list[str]:
    """The pieces that have no number. transformers reads them as unknown, and no training text of
    the model had them, or they would have one; here their parts are read."""
    return [
        piece.piece
        for piece in proto.pieces
        if piece.type == _NORMAL and piece.piece not in numbers.ids
    ]


def tokenizer(proto: Any, numbers: Numbers) -> Tokenizer:
    """Reads texts as sentencepiece does, with these numbers, and ends them; writes any number as
    text. Raises UnknownKind."""
    strange = [one for one in proto.pieces if one.type not in _TYPES]
    if strange:
        raise UnknownKind(f"its piece {strange[0].piece!r} is of the type {strange[0].type}")
    scores = {one.piece: one.score for one in proto.pieces if one.type == _NORMAL}
    known = {piece: score for piece, score in scores.items() if piece in numbers.ids}
    kind = proto.trainer_spec.model_type
    if kind == _UNIGRAM:
        found = Tokenizer(_unigram(known, numbers))
    elif kind == _BPE:
        found = Tokenizer(_bpe(known, numbers))
    else:
        raise UnknownKind(f"its model is of the type {kind}, neither Unigram nor BPE")
    letters = {letter for piece in known for letter in piece}
    spec = proto.normalizer_spec
    found.normalizer = _normalizer(spec, letters, numbers)
    if spec.add_dummy_prefix:
        found.pre_tokenizer = pre_tokenizers.Metaspace(
            replacement=SPACE, prepend_scheme="always", split=False
        )
    found.decoder = decoders.Sequence(
        [
            decoders.Replace(HIDDEN, ""),
            decoders.Replace(SPACE, " "),
            decoders.Fuse(),
            decoders.Strip(" ", int(spec.add_dummy_prefix), 0),
        ]
    )
    found.add_tokens([numbers.added[number] for number in sorted(numbers.added)])
    found.post_processor = processors.TemplateProcessing(
        single=f"$A {numbers.end}", special_tokens=[(numbers.end, numbers.ids[numbers.end])]
    )
    return found


def _names(known: Mapping[str, float], numbers: Numbers) -> list[str]:
    """The name of each number in the list of pieces: hidden unless texts are cut into it."""
    letters = {letter for piece in known for letter in piece}
    names = [f"{HIDDEN}[unused {number}]" for number in range(numbers.size)]
    for piece, number in numbers.ids.items():
        shown = piece in known or letters.isdisjoint(piece)
        names[number] = piece if shown else HIDDEN + piece
    for number, token in numbers.added.items():
        names[number] = token.content
    return names


def _unigram(known: Mapping[str, float], numbers: Numbers) -> Unigram:
    # Pieces of unknown letters alone: all cost the same, so that a run of such letters that is a
    # piece is that one piece, as sentencepiece looks up the whole run.
    least = min(known.values())
    added = {token.content for token in numbers.added.values()}
    names = _names(known, numbers)
    return Unigram(
        [(name, 0.0 if name in added else known.get(name, least)) for name in names],
        unk_id=numbers.ids[numbers.unknown],
        byte_fallback=False,
    )


def _bpe(known: Mapping[str, float], numbers: Numbers) -> BPE:
    ranked = [
        (-score, piece[:cut], piece[cut:])
        for piece, score in known.items()
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]
    vocabulary = {name: number for number, name in enumerate(_names(known, numbers))}
    return BPE(
        vocab=vocabulary,
        merges=[(left, right) for _, left, right in sorted(ranked, key=lambda one: one[0])],
        unk_token=numbers.unknown,
        fuse_unk=True,
        byte_fallback=False,
    )


def _normalizer(spec: Any, letters: set[str], numbers: Numbers) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps.append(normalizers.Replace(Regex(r"\A +| +\z"), ""))
        steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    if spec.escape_whitespaces:
        steps.append(normalizers.Replace(" ", SPACE))
    if (pattern := _unknown_runs(letters, numbers)) is not None:
        steps.append(normalizers.Replace(Regex(pattern), _AS_ONE))
    if spec.add_dummy_prefix:
        # A text that begins with the mark itself gets another one.
        steps.append(normalizers.Replace(Regex(rf"\A{SPACE}"), 2 * SPACE))
    return normalizers.Sequence(steps)


def _unknown_runs(letters: set[str], numbers: Numbers) -> str | None:
    """Runs of two and more letters of which no piece of this language has any, and that are not a
    piece of the other as a whole: sentencepiece takes such a run for one unknown piece, and its
    letters must not be found one by one. None where no such letter has a number."""
    alone = [piece for piece in numbers.ids if letters.isdisjoint(piece)]
    special = {token.content for token in numbers.added.values()}
    alone = [piece for piece in alone if piece not in special]
    if not alone:
        return None
    known = "".join(sorted(letters | {SPACE, " "}))
    strange = f"[^{re.escape(known)}]"
    whole = "|".join(re.escape(piece) for piece in sorted(alone, key=len) if len(piece) > 1)
    but = f"(?!(?:{whole})(?!{strange}))" if whole else ""
    return f"(?<!{strange})(?={strange}{{2}}){but}{strange}+"


def differences(
    ours: Tokenizer, wanted: Sequence[Sequence[int]], texts: Sequence[str]
) -> list[tuple[str, list[int], list[int]]]:
    """Texts that come out with other ids than these, end included, and both ids."""
    found = ours.encode_batch(list(texts))
    return [
        (text, one.ids, list(other))
        for text, one, other in zip(texts, found, wanted, strict=True)
        if one.ids != list(other)
    ]

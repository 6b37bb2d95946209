"""Two GGUFs, one of which lost pieces: their common pieces, and the texts that both read alike.

Pieces are the same where their texts are. Opens files in a child process.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.rows import Row
from edgekit.export.gguf.predicting import Predictions, digests
from edgekit.system import child
from edgekit.system.serving import Verb

GONE = -1
"""Stands for a piece that the other model does not have."""
FIRST_TOKENS = 48
"""Tokens of a text whose logits are asked for."""
_MODULE = "edgekit.export.gguf.vocabularies"


def mapping(parent: Path, other: Path) -> np.ndarray | None:
    """For each of the parent's pieces its id in the other model, or GONE; None where both have the
    same pieces with the same ids."""
    request = {"models": [parent, other]}
    doing = "gguf: comparing vocabularies"
    mine, theirs = child.ask(_MODULE, "pieces", request, doing=doing)["pieces"]
    if mine == theirs:
        return None
    numbers = {piece: number for number, piece in enumerate(theirs)}
    return np.array([numbers.get(piece, GONE) for piece in mine], dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Alike:
    """What a model can be asked at its parent's tokens: each window up to the first lost piece."""

    tokens: tuple[tuple[int, ...], ...]
    """The model's tokens, for each window that it can read at least the start of; after the last
    token that it knows stands another, so that its prediction there is asked for, too."""
    parent: Predictions
    """The parent's predictions of these, in the model's ids: what the parent expects of lost pieces
    is part of the rest."""
    places: np.ndarray
    """The indices of these among all the parent's predictions."""
    whole: frozenset[int]
    """The windows that have all their pieces."""


def alike(parent: Predictions, windows: Sequence[Sequence[int]], new: np.ndarray) -> Alike:
    """`windows` are the parent's tokens, `new` as `mapping` gives it."""
    starts = np.concatenate([[0], parent.lengths.cumsum()])
    tokens, places, whole = [], [np.empty(0, dtype=np.int64)], set()
    for number, window in enumerate(windows):
        told = new[np.array(window)]
        gone = np.flatnonzero(told == GONE)
        count = int(gone[0]) if len(gone) else len(told) - 1
        if not len(gone):
            whole.add(number)
        if count:
            read = [int(one) for one in told[: count + 1]]
            tokens.append((*read[:-1], read[-1] if read[-1] != GONE else read[0]))
            places.append(np.arange(starts[number], starts[number] + count))
    at = np.concatenate(places)
    return Alike(tuple(tokens), _translated(parent, at, tokens, new), at, frozenset(whole))


def _translated(
    parent: Predictions, at: np.ndarray, tokens: Sequence[Sequence[int]], new: np.ndarray
) -> Predictions:
    ids = new[parent.ids[at]]
    gone = ids == GONE
    logp = parent.logp[at]
    lost = np.where(gone, np.exp(logp), 0.0).sum(axis=1)
    return Predictions(
        ids=ids,
        logp=np.where(gone, -np.inf, logp),
        rest=(parent.rest[at] + lost).astype(np.float32),
        next=parent.next[at],
        best=new[parent.best[at]],
        lengths=np.array([len(one) - 1 for one in tokens], dtype=np.int32),
        digests=digests(tokens),
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as tokens, and the number of its bytes up to the end of each."""

    tokens: tuple[int, ...]
    ends: tuple[int, ...]
    first: int | None
    """The token put at the beginning of texts; it is not one of `tokens`."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text that two models read from the same place to the same place."""

    parent: tuple[int, ...]
    other: tuple[int, ...]
    skipped: tuple[int, int]
    """First predictions of each to skip: they are of bytes that only one of the two predicts."""
    size_bytes: int
    """Bytes that both predict."""


def cut(model: Path, rows: Sequence[Row]) -> list[Cut]:
    """Rows the way documents.read reads them, whole."""
    request = {
        "model": model,
        "rows": [{"text": row.text, "messages": row.messages} for row in rows],
    }
    doing = f"gguf: reading texts with {model.name}"
    found = child.ask(_MODULE, "cut", request, doing=doing)["rows"]
    return [Cut(tuple(one["tokens"]), tuple(one["ends"]), one["first"]) for one in found]


def spans(parent: Cut, other: Cut, *, window: int) -> Iterator[Span]:
    """The text in parts of at most `window` tokens of either, cut where both have a token end."""
    common = sorted({0, *parent.ends} & {0, *other.ends})
    size = window - 1  # a token may be put first
    start = 0
    while start < len(common) - 1:
        begin = common[start]
        last = start + 1
        for place in range(start + 1, len(common)):
            fits = all(
                bisect_right(one.ends, common[place]) - bisect_right(one.ends, begin) <= size
                for one in (parent, other)
            )
            if not fits:
                break
            last = place
        yield from _span(parent, other, begin, common[start + 1], common[last], size)
        start = last


def _span(parent: Cut, other: Cut, begin: int, first: int, end: int, size: int) -> Iterator[Span]:
    parts, skipped = [], []
    for one in (parent, other):
        places = slice(bisect_right(one.ends, begin), bisect_right(one.ends, end))
        part = one.tokens[places]
        given = () if one.first is None else (one.first,)
        if len(part) > size:
            return  # no common end within a whole window
        parts.append((*given, *part))
        # Without a first token, the text's own first one is given, up to where both have an end.
        skipped.append(0 if given else bisect_right(one.ends, first) - places.start - 1)
    begun = begin if parent.first is not None and other.first is not None else first
    if all(len(part) - 1 > skip for part, skip in zip(parts, skipped, strict=True)):
        yield Span(parts[0], parts[1], (skipped[0], skipped[1]), end - begun)


def logits(
    model: Path, texts: Sequence[str], out: Path, *, pieces: np.ndarray | None, threads: int
) -> list[np.ndarray]:
    """Logits of the first tokens of each text, float32 of shape (tokens, pieces), for all pieces or
    for these; read from `out` as needed."""
    request = {
        "model": model,
        "texts": list(texts),
        "pieces": None if pieces is None else pieces.tolist(),
        "out": out,
        "threads": threads,
    }
    doing = f"gguf: reading texts with {model.name}"
    ends = child.ask(_MODULE, "logits", request, doing=doing)["ends"]
    return list(np.split(np.load(out, mmap_mode="r", allow_pickle=False), ends[:-1]))


def _pieces(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import opening  # llama.cpp may crash: only a child loads it

    found = []
    for path in request["models"]:
        with opening.open_model(Path(path), vocabulary_only=True) as model:
            found.append(opening.pieces(model))
    return {"pieces": found}


def _cut(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import documents, opening  # as above

    found = []
    with opening.open_model(Path(request["model"]), vocabulary_only=True) as model:
        facts = opening.facts(model)
        for row in request["rows"]:
            told = bool(row["messages"])
            text = documents.rendered(row["messages"], facts, answer_next=False) if told else None
            tokens = opening.tokenize(model, row["text"] if text is None else text, special=told)
            begins = facts.add_bos and tokens[:1] == [facts.bos_id]
            rest = tokens[1:] if begins else tokens
            sizes = [opening.piece_bytes(model, token) for token in rest]
            ends = [int(end) for end in np.cumsum(sizes)]
            found.append({"tokens": rest, "ends": ends, "first": facts.bos_id if begins else None})
    return {"rows": found}


def _logits(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import opening  # as above

    found = []
    with (
        opening.open_model(Path(request["model"])) as model,
        opening.open_context(model, tokens=FIRST_TOKENS, threads=request["threads"]) as reader,
    ):
        pieces = request["pieces"] or list(range(opening.vocabulary_size(model)))
        for text in request["texts"]:
            tokens = opening.tokenize(model, text, special=False)[:FIRST_TOKENS]
            reader.forget()
            parts = [
                reader.logits(tokens[start : start + reader.most])[:, pieces]
                for start in range(0, len(tokens), reader.most)
            ]
            found.append(np.concatenate(parts))
    np.save(request["out"], np.concatenate(found), allow_pickle=False)
    return {"ends": [int(end) for end in np.cumsum([len(one) for one in found])]}


VERBS: Mapping[str, Verb] = {"pieces": _pieces, "cut": _cut, "logits": _logits}

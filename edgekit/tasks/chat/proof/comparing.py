"""Compares a model with its parent on the same texts, even if it has lost some of its tokens.

- If both have the same vocabulary, both read the parent's tokens, which are compared one by one.
- If the model has lost tokens (`trim_vocab`), `kld` and `top1` cover, in each window, the tokens
  before the first lost one: until there both have read the same. The probability that the parent
  gives to lost tokens counts as spread over all tokens but its likeliest 64, so that a model which
  can no longer say what the parent would is that much further from it.
- `ppl_ratio` covers all texts. A text without lost tokens counts token by token. Both read the
  others anew, each in its own tokens, in windows that end at the same places of the text; the nats
  of everything that both predict there count, shared evenly among the parent's tokens of the text.
  That is the text's ratio of bits per byte, weighted by the parent's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.rows import Row
from edgekit.errors import CheckpointError, ExportError
from edgekit.export.gguf import divergence, documents, predicting, vocabularies
from edgekit.export.gguf.divergence import Tokenwise
from edgekit.export.gguf.documents import Documents
from edgekit.export.gguf.predicting import Predictions
from edgekit.job import events
from edgekit.job.events import OnProgress
from edgekit.store.store import PROGRESS
from edgekit.system import machine
from edgekit.tasks.classification.proof.quality import listed_rows

PREDICTIONS, PARENT, ANEW = "predictions.npz", "parent.npz", "anew.npz"
"""The files in an entry of the store; the latter two only if tokens were lost."""
# Share of the work, if texts are read anew, that reads the parent's tokens before the texts.
_FIRST = 0.6


@dataclass(frozen=True, slots=True)
class Parent:
    """The model to compare with: a GGUF, the rows as its tokens, and its predictions of them."""

    model: Path
    rows: Sequence[Row]
    documents: Documents
    predictions: Path
    window: int

    @property
    def row_of(self) -> np.ndarray:
        """The index of the row of each prediction."""
        sizes = [len(window) - 1 for window in self.documents.tokens]
        return np.repeat(self.documents.rows, sizes)


def read(model: Path, parent: Parent, out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
    """Writes into `out` what `compare` reads. Raises CheckpointError for a model that tokenizes
    texts differently from its parent although it has all their tokens."""
    new = vocabularies.mapping(parent.model, model)
    if new is None:
        _check(model, parent, parent.documents.tokens, set())
        return predict(model, parent.documents.tokens, out, on_progress, at=parent.predictions)
    found = vocabularies.alike(Predictions.read(parent.predictions), parent.documents.tokens, new)
    changed = _changed(parent.documents, found.whole)
    _check(model, parent, [new[list(one)].tolist() for one in parent.documents.tokens], changed)
    if not found.tokens:
        raise ExportError(
            f"gguf: {model.name} lacks the first piece of every test text, so that nothing can be "
            "compared; name the teacher that it was made from, or raise the coverage of trim_vocab."
        )
    found.parent.write(out / PARENT)
    share = events.part(on_progress, 0.0, _FIRST if changed else 1.0)
    done = predict(model, found.tokens, out, share, at=out / PARENT)
    rest = events.part(on_progress, _FIRST, 1.0)
    anew = _read_anew(model, parent, sorted(changed), out, rest)
    with (out / ANEW).open("wb") as stream:
        np.savez(stream, **{"places": found.places, **anew})  # type: ignore[arg-type]
    return done


def compare(
    parent: Parent, folder: Path, *, languages: Sequence[str]
) -> tuple[Tokenwise, dict[str, Any]]:
    """The distances for every prediction of the parent; and the facts about rows in the `languages`
    (and rows that name none) that were read anew, empty if there are none."""
    if not (folder / ANEW).is_file():
        found = divergence.compare(parent.predictions, folder / PREDICTIONS)
        return found.tokenwise(), {}
    found = divergence.compare(folder / PARENT, folder / PREDICTIONS)
    with np.load(folder / ANEW, allow_pickle=False) as stored:
        anew = dict(stored)
    whole = Predictions.read(parent.predictions)
    count = len(whole.next)
    compared = np.zeros(count, dtype=bool)
    kld, same_top = np.zeros(count), np.zeros(count, dtype=bool)
    parent_nll = -whole.next.astype(np.float64)
    nll = parent_nll.copy()
    places = anew["places"]
    compared[places], kld[places], same_top[places] = True, found.kld, found.same_top
    nll[places] = found.other_nll
    for row, tokens, parent_nats, nats in zip(
        anew["rows"], anew["tokens"], anew["parent_nats"], anew["nats"], strict=True
    ):
        of_row = parent.row_of == row
        parent_nll[of_row], nll[of_row] = parent_nats / tokens, nats / tokens
    tokenwise = Tokenwise(kld, parent_nll, nll, same_top, None if compared.all() else compared)
    judged, _ = listed_rows(parent.rows, languages)
    return tokenwise, _said(anew, judged)


def _said(anew: Mapping[str, np.ndarray], judged: np.ndarray) -> dict[str, Any]:
    listed = np.isin(anew["rows"], judged)
    if not listed.any():
        return {}
    size, mine, theirs = (anew[name][listed].sum() for name in ("bytes", "parent_nats", "nats"))
    bits = float(size * np.log(2))
    return {
        "read_anew": {
            "rows": int(listed.sum()),
            "rows_too_short": int(np.isin(anew["too_short"], judged).sum()),
            "bytes": int(size),
            "bits_per_byte": {"parent": float(mine / bits), "model": float(theirs / bits)},
        }
    }


def predict(
    model: Path,
    tokens: Sequence[Sequence[int]],
    out: Path,
    on_progress: OnProgress,
    *,
    at: Path | None = None,
) -> dict[str, Any]:
    """Writes PREDICTIONS into `out`, an entry of the store; `at` as in predicting.predict."""
    return predicting.predict(
        model,
        tokens,
        out / PREDICTIONS,
        threads=machine.cores(),
        on_progress=on_progress,
        at=at,
        progress=out / PROGRESS,
    )


def _changed(read: Documents, whole: frozenset[int]) -> set[int]:
    """The rows with a window that has lost a token."""
    return {row for number, row in enumerate(read.rows) if number not in whole}


def _check(model: Path, parent: Parent, wanted: Sequence[Sequence[int]], changed: set[int]) -> None:
    """Checks that the model itself reads all but the changed rows as the `wanted` tokens."""
    own = documents.read(model, parent.rows, window=parent.window)
    found = _unchanged(own.rows, own.tokens, changed)
    for row, tokens in _unchanged(parent.documents.rows, wanted, changed).items():
        if found.get(row) != tokens:
            raise CheckpointError(
                f"{model.parent.name}: it reads '{parent.rows[row].text[:60]}' as other tokens "
                "than the teacher does; name the teacher that it was made from."
            )


def _unchanged(
    rows: Sequence[int], tokens: Sequence[Sequence[int]], changed: set[int]
) -> dict[int, list[int]]:
    """The tokens of all windows, by row."""
    found: dict[int, list[int]] = {}
    for row, window in zip(rows, tokens, strict=True):
        if row not in changed:
            found.setdefault(row, []).extend(window)
    return found


def _read_anew(
    model: Path, parent: Parent, changed: Sequence[int], out: Path, on_progress: OnProgress
) -> dict[str, np.ndarray]:
    """By row: the nats of each side for what both predict, its bytes, and the parent's tokens. Rows
    of a token or two, in which nothing is predicted, are only counted."""
    rows = [parent.rows[row] for row in changed]
    both = [vocabularies.cut(one, rows) for one in (parent.model, model)] if rows else [[], []]
    found = [
        (row, span)
        for row, mine, theirs in zip(changed, *both, strict=True)
        for span in vocabularies.spans(mine, theirs, window=parent.window)
    ]
    nats = np.zeros((2, len(found)))
    for side, path in enumerate((parent.model, model)) if found else ():
        part = events.part(on_progress, side / 2, (side + 1) / 2)
        name = out / f"anew-{side}.npz"
        texts = [(span.parent, span.other)[side] for _, span in found]
        predicting.predict(path, texts, name, threads=machine.cores(), on_progress=part)
        said = Predictions.read(name)
        name.unlink()
        ends = said.lengths.cumsum()
        for number, (_, span) in enumerate(found):
            first = ends[number] - said.lengths[number] + span.skipped[side]
            nats[side, number] = -said.next[first : ends[number]].astype(np.float64).sum()
    of_row = np.array([row for row, _ in found], dtype=np.int64)
    numbers, places = np.unique(of_row, return_inverse=True)
    summed = partial(np.bincount, places, minlength=len(numbers))
    tokens = np.array([len(span.parent) - 1 - span.skipped[0] for _, span in found], dtype=float)
    return {
        "rows": numbers,
        "too_short": np.setdiff1d(changed, numbers),
        "parent_nats": summed(weights=nats[0]),
        "nats": summed(weights=nats[1]),
        "tokens": summed(weights=tokens),
        "bytes": summed(weights=np.array([span.size_bytes for _, span in found], dtype=float)),
    }

"""What a GGUF predicts at every token of given texts, kept small. Runs it in a child process.

Kept are the 64 likeliest tokens with their log-probabilities, the mass of all others together, and
the log-probability of the token that follows: enough for a divergence from this model that is never
more than the true one, and misses next to nothing of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import machine
from edgekit.digest import sha256_bytes
from edgekit.errors import ExportError
from edgekit.export import apart

KEPT = 64
_MODULE = "edgekit.export.llama.predicting"


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of one model for every token but the last of each sequence; log-probabilities in nats."""

    ids: np.ndarray
    """int32 of shape (tokens, KEPT): the likeliest tokens, the likeliest first; where another
    model's predictions were given, those of that model."""
    logp: np.ndarray
    """float32 of that shape: what this model gives to these ids."""
    rest: np.ndarray
    """float32 of shape (tokens,): the probability of all other tokens together."""
    next: np.ndarray
    """float32 of shape (tokens,): the log-probability of the token that follows."""
    best: np.ndarray
    """int32 of shape (tokens,): this model's likeliest token."""
    lengths: np.ndarray
    """int32: the predictions of each sequence."""
    digest: np.ndarray
    """Of the tokens that were read, so that no two texts are compared."""

    def write(self, path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Predictions:
        with np.load(path, allow_pickle=False) as found:
            return cls(**{one.name: found[one.name] for one in fields(cls)})


def predict(
    model: Path,
    tokens: Sequence[Sequence[int]],
    out: Path,
    *,
    threads: int,
    on_progress: Callable[[float], None] = lambda fraction: None,
    at: Path | None = None,
) -> dict[str, Any]:
    """Reads each sequence from its beginning and writes Predictions to `out`.

    `at` are another model's predictions of the same tokens, to compare this one with. Returns
    `peak_bytes` of the process that did it. Raises ExportError where llama.cpp does not do it.
    """
    return _apart(
        "predict",
        {"model": str(model.resolve()), "out": str(out.resolve()), "threads": threads,
         "at": at and str(at.resolve()), "tokens": [list(map(int, one)) for one in tokens]},
        doing=f"reading texts with {model.name}",
        on_progress=on_progress,
    )  # fmt: skip


def tokenize(model: Path, texts: Sequence[str], *, special: bool) -> list[list[int]]:
    """Token ids by the tokenizer inside a GGUF.

    `special` is for texts that a chat template rendered: names of special tokens in them are these
    tokens, and none is added. Other texts are taken letter by letter, and get the tokens that the
    model wants at their beginning.
    """
    request = {"model": str(model.resolve()), "texts": list(texts), "special": special}
    return list(_apart("tokenize", request, doing=f"reading texts with {model.name}")["tokens"])


def _apart(
    verb: str,
    request: dict[str, Any],
    *,
    doing: str,
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "request.json"
        path.write_text(json.dumps(request), encoding="utf-8")
        return apart.run_apart(
            _MODULE, verb, path, doing=doing, format="gguf", on_progress=on_progress
        )


def _predict(request: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    from edgekit.export.llama import opening  # llama.cpp must not be loaded where it may not die

    tokens, out = request["tokens"], Path(request["out"])
    at = Predictions.read(Path(request["at"])) if request["at"] else None
    digest = _digest(tokens)
    if at is not None and at.digest != digest:
        raise ExportError(f"{request['at']}: these are predictions of other texts; make them anew.")
    with (
        opening.open_model(Path(request["model"])) as model,
        opening.open_context(
            model, tokens=max(map(len, tokens)), threads=request["threads"]
        ) as reader,
    ):
        kept = min(KEPT, opening.vocabulary_size(model))
        found = _Collected(tokens, kept, None if at is None else at.ids)
        for sequence in tokens:
            reader.forget()
            for start in range(0, len(sequence) - 1, reader.most):
                part = sequence[start : min(start + reader.most, len(sequence) - 1)]
                following = sequence[start + 1 : start + 1 + len(part)]
                found.add(reader.logits(part), np.array(following))
                apart.tell(found.done / max(1, found.total))
    found.predictions(digest).write(out)
    return {"peak_bytes": machine.peak_rss_bytes()}


def _digest(tokens: Sequence[Sequence[int]]) -> np.ndarray:
    return np.array(sha256_bytes(json.dumps(tokens).encode()))


class _Collected:
    """The arrays of Predictions, filled batch by batch."""

    def __init__(self, tokens: Sequence[Sequence[int]], kept: int, ids: np.ndarray | None) -> None:
        self.lengths = np.array([max(0, len(one) - 1) for one in tokens], dtype=np.int32)
        self.total, self.done = int(self.lengths.sum()), 0
        self._asked = ids
        shape = (self.total, kept)
        self.ids = np.empty(shape, dtype=np.int32)
        self.logp = np.empty(shape, dtype=np.float32)
        self.rest, self.next = (np.empty(self.total, dtype=np.float32) for _ in range(2))
        self.best = np.empty(self.total, dtype=np.int32)

    def add(self, logits: np.ndarray, following: np.ndarray) -> None:
        """The next rows; `following` are the tokens that follow in the text."""
        rows = slice(self.done, self.done + len(logits))
        ids = self._likeliest(logits) if self._asked is None else self._asked[rows]
        best = logits.argmax(axis=1)
        top = np.take_along_axis(logits, best[:, None], axis=1)
        following_logit = np.take_along_axis(logits, following[:, None], axis=1) - top
        chosen = np.take_along_axis(logits, ids, axis=1) - top
        powers = np.exp(logits - top)
        total = powers.sum(axis=1, dtype=np.float64)
        if not np.isfinite(total).all():
            raise ExportError("it predicts scores that are no numbers; its weights are damaged.")
        # Summed without the chosen ones: a difference of two sums near 1 would be rounding alone.
        np.put_along_axis(powers, ids, 0, axis=1)
        norm = np.log(total)[:, None]
        self.ids[rows], self.best[rows] = ids, best
        self.logp[rows] = chosen - norm
        self.next[rows] = (following_logit - norm)[:, 0]
        self.rest[rows] = powers.sum(axis=1, dtype=np.float64) / total
        self.done = rows.stop

    def _likeliest(self, logits: np.ndarray) -> np.ndarray:
        kept = self.ids.shape[1]
        places = np.argpartition(logits, -kept, axis=1)[:, -kept:]
        order = np.argsort(-np.take_along_axis(logits, places, axis=1), axis=1, kind="stable")
        return np.take_along_axis(places, order, axis=1)

    def predictions(self, digest: np.ndarray) -> Predictions:
        return Predictions(
            self.ids, self.logp, self.rest, self.next, self.best, self.lengths, digest
        )


def _tokenize(request: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    from edgekit.export.llama import opening  # see _predict

    with opening.open_model(Path(request["model"]), vocabulary_only=True) as model:
        read = partial(opening.tokenize, model, special=request["special"])
        return {"tokens": [read(text) for text in request["texts"]]}


_VERBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "predict": _predict,
    "tokenize": _tokenize,
}

if __name__ == "__main__":
    _work = partial(_VERBS[sys.argv[1]], json.loads(Path(sys.argv[2]).read_text("utf-8")))
    sys.exit(apart.answer(_work))

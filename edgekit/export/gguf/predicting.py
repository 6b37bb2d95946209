"""What a GGUF predicts at every token of given texts, kept small. Runs it in a child process.

Kept are the 64 most likely tokens with their log-probabilities, the mass of all others together,
and the log-probability of the token that follows: enough for a divergence from this model that is
never more than the true one, and misses next to nothing of it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExportError
from edgekit.job import events
from edgekit.store.progress import load_progress, save_progress
from edgekit.system import child, machine
from edgekit.system.digest import sha256_bytes
from edgekit.system.serving import Request, Verb

KEPT = 64
PART_TOKENS = 4096
"""Tokens read between two saves: minutes with a large model."""
_GROUPS = 2048
"""Parts into which a row of logits is divided for the search."""
_MODULE = "edgekit.export.gguf.predicting"


@dataclass(frozen=True, slots=True)
class Predictions:
    """One model's, for every token but the last of each sequence; log-probabilities in nats."""

    ids: np.ndarray
    """int32 of shape (tokens, KEPT): the most likely tokens, best first; where another model's
    predictions were given, those of that model."""
    logp: np.ndarray
    """float32 of the same shape: what this model gives these ids."""
    rest: np.ndarray
    """float32 of shape (tokens,): the probability of all other tokens together."""
    next: np.ndarray
    """float32 of shape (tokens,): the log-probability of the token that follows."""
    best: np.ndarray
    """int32 of shape (tokens,): this model's most likely token."""
    lengths: np.ndarray
    """int32: the number of predictions of each sequence."""
    digests: np.ndarray
    """A digest of each sequence's tokens, so that different texts are never compared."""

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """As if all sequences had been read at once."""
        return cls(
            **{one.name: np.concatenate([getattr(part, one.name) for part in parts])
               for one in fields(cls)}
        )  # fmt: skip

    def sequences(self, first: int, last: int) -> Predictions:
        """Those of the sequences `first` to `last`, the latter not included."""
        ends = np.concatenate([[0], self.lengths.cumsum()])
        of_tokens, of_sequences = slice(ends[first], ends[last]), slice(first, last)
        per_sequence = ("lengths", "digests")
        return Predictions(
            **{one.name: getattr(self, one.name)[
                of_sequences if one.name in per_sequence else of_tokens] for one in fields(self)}
        )  # fmt: skip

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
    progress: Path | None = None,
) -> dict[str, Any]:
    """Reads each sequence from its beginning and writes Predictions to `out`.

    `at` are another model's predictions of the same tokens, to compare this one with. Progress is
    saved in the folder `progress`, if given, and resumed. Returns `peak_bytes` of the process that
    did it. Raises ExportError where llama.cpp fails.
    """
    sequences = [list(map(int, one)) for one in tokens]
    if not any(len(one) > 1 for one in sequences):
        raise ExportError("gguf: the texts have no two tokens in a row; give longer texts.")
    others = None if at is None else Predictions.read(at)
    if others is not None and not np.array_equal(others.digests, digests(sequences)):
        raise ExportError(f"{at}: these are predictions of other texts; make them anew.")
    peak = 0
    with tempfile.TemporaryDirectory() as temporary:
        done, parts = 0, list[Path]()
        folder = Path(temporary)
        if progress is not None and (saved := load_progress(progress)) is not None:
            done, peak = saved.state["done"], saved.state["peak_bytes"]
            parts = [Path(shutil.copy(path, folder)) for path in sorted(saved.folder.glob("*.npz"))]
        for first, last in parts_of(sequences, done, size=PART_TOKENS):
            part = folder / f"{len(parts):08d}.npz"
            if others is not None:
                others.sequences(first, last).write(folder / "at")
            asked = {
                "model": model,
                "tokens": sequences[first:last],
                "at": None if others is None else folder / "at",
                "out": part,
                "threads": threads,
            }
            share = events.part(on_progress, first / len(sequences), last / len(sequences))
            doing = f"gguf: reading texts with {model.name}"
            found = child.ask(_MODULE, "predict", asked, doing=doing, on_piece=share)
            peak = max(peak, found["peak_bytes"])
            parts.append(part)
            if progress is not None and last < len(sequences):
                state = {"done": last, "peak_bytes": peak}
                save_progress(progress, partial(_copy, parts), state=state)
        Predictions.joined([Predictions.read(part) for part in parts]).write(out)
    return {"peak_bytes": peak}


def parts_of(
    sequences: Sequence[Sequence[int]], first: int, *, size: int
) -> Iterator[tuple[int, int]]:
    """Neighbouring sequences of about `size` tokens, starting at number `first`."""
    tokens = 0
    for number in range(first, len(sequences)):
        tokens += len(sequences[number])
        if tokens >= size or number == len(sequences) - 1:
            yield first, number + 1
            first, tokens = number + 1, 0


def _copy(files: Sequence[Path], folder: Path) -> None:
    for path in files:
        shutil.copy(path, folder)


def tokenize(model: Path, texts: Sequence[str], *, special: bool) -> list[list[int]]:
    """Token ids from the tokenizer inside a GGUF.

    `special` is for texts that a chat template rendered: names of special tokens in them are these
    tokens, and none is added. Other texts are read literally, and get the tokens that the model
    wants at their beginning.
    """
    request = {"model": model, "texts": list(texts), "special": special}
    doing = f"gguf: reading texts with {model.name}"
    return list(child.ask(_MODULE, "tokenize", request, doing=doing)["tokens"])


def _predict(request: Request) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import opening  # llama.cpp may crash: only a child loads it

    tokens = request["tokens"]
    ids = Predictions.read(Path(request["at"])).ids if request["at"] else None
    longest = max(map(len, tokens))
    with (
        opening.open_model(Path(request["model"])) as model,
        opening.open_context(model, tokens=longest, threads=request["threads"]) as reader,
    ):
        found = _Collected(tokens, min(KEPT, opening.vocabulary_size(model)), ids)
        for sequence in tokens:
            reader.forget()
            for start in range(0, len(sequence) - 1, reader.most):
                part = sequence[start : min(start + reader.most, len(sequence) - 1)]
                following = sequence[start + 1 : start + 1 + len(part)]
                found.add(reader.logits(part), np.array(following))
                request.tell(found.done / found.total)
    found.predictions(digests(tokens)).write(Path(request["out"]))
    return {"peak_bytes": machine.peak_rss_bytes()}


def digests(tokens: Sequence[Sequence[int]]) -> np.ndarray:
    """A digest of each sequence's tokens."""
    return np.array([sha256_bytes(json.dumps(one).encode()) for one in tokens])


class _Collected:
    """Fills the arrays of Predictions, batch by batch."""

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
        # Row by row: one fits a processor's cache, all rows of a large vocabulary do not.
        for row, next_token in zip(logits, following, strict=True):
            self._add_row(row, int(next_token))

    def _add_row(self, logits: np.ndarray, following: int) -> None:
        best = logits.argmax()
        top = logits[best]
        if not np.isfinite(top):
            raise ExportError("it predicts scores that are no numbers; its weights are damaged.")
        place, kept = self.done, self.ids.shape[1]
        ids = likeliest(logits, kept) if self._asked is None else self._asked[place]
        known = ids >= 0
        powers = np.exp(logits - top)
        chosen = powers[ids[known]].sum(dtype=np.float64)
        # Summed without the chosen ones: a difference of two sums near 1 would be mere rounding.
        powers[ids[known]] = 0
        rest = powers.sum(dtype=np.float64)
        total = rest + chosen
        norm = np.log(total)
        self.ids[place], self.best[place] = ids, best
        self.logp[place] = np.where(known, logits[ids] - top, -np.inf) - norm
        self.next[place] = (logits[following] - top) - norm
        self.rest[place] = rest / total
        self.done = place + 1

    def predictions(self, digests: np.ndarray) -> Predictions:
        return Predictions(
            self.ids, self.logp, self.rest, self.next, self.best, self.lengths, digests
        )


def likeliest(logits: np.ndarray, count: int) -> np.ndarray:
    """The indices of the `count` highest of one row, the highest first; among equals, the first.

    Whatever lies below the `count`-th highest of the maxima of _GROUPS parts is not among them, and
    seldom are there many more than `count` above it.
    """
    candidates = np.arange(len(logits))
    if len(logits) > 2 * _GROUPS >= 2 * count:
        whole = len(logits) // _GROUPS * _GROUPS
        maxima = logits[:whole].reshape(-1, _GROUPS).max(axis=0)
        candidates = np.flatnonzero(logits >= np.partition(maxima, -count)[-count])
    order = np.argsort(-logits[candidates], kind="stable")[:count]
    return candidates[order]


def _tokenize(request: Request) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import opening  # see _predict

    with opening.open_model(Path(request["model"]), vocabulary_only=True) as model:
        read = partial(opening.tokenize, model, special=request["special"])
        return {"tokens": [read(text) for text in request["texts"]]}


VERBS: Mapping[str, Verb] = {"predict": _predict, "tokenize": _tokenize}

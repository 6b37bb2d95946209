"""Observes what the matrices of both files see while the model writes. Light until it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgekit.export.onnx import observing
from edgekit.export.onnx.observing import Observer
from edgekit.export.onnx.seq2seq.proof import open_pair
from edgekit.job.job import OutputJob
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.sessions import open_session

TEXTS = 24


class _Session:
    """A session that shows an observer the tensors of each run."""

    def __init__(self, session: Any, observer: Observer) -> None:
        self._session, self._observer = session, observer

    def get_inputs(self) -> Any:
        return self._session.get_inputs()

    def run_with_ort_values(
        self, names: Sequence[str], feeds: Any, options: Any | None = None
    ) -> Any:
        if options is not None:
            # A look-up, which runs no matrix.
            return self._session.run_with_ort_values(names, feeds, options)
        asked = [*names, *self._observer.names]
        found = self._session.run_with_ort_values(asked, feeds)
        self._observer.add([one.numpy() for one in found[len(names) :]])
        return found[: len(names)]


def observe(
    job: OutputJob,
    source: Path,
    generation: Generation,
    written: Sequence[tuple[list[int], list[int]]],
    out: Path,
) -> None:
    """Writes what was seen along TEXTS of the summaries into the folder `out`.

    `written` are ids of texts and of their summaries.
    """
    observers = {
        name: Observer(observing.observed(source / name, out / name)) for name in (ENCODER, DECODER)
    }
    # Opened in this order.
    left = list(observers.values())

    def open_one(read_model: Callable[[], bytes], threads: int) -> _Session:
        return _Session(open_session(read_model, threads), left.pop(0))

    pair = open_pair(job, out, generation, open_one=open_one)
    for ids, pieces in written[:: max(1, len(written) // TEXTS)][:TEXTS]:
        pair.logits(ids, pieces)
    pair.close()
    for name, observer in observers.items():
        observing.write(out / f"{name}.safetensors", observer.seen())
        (out / name).unlink()

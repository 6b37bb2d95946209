"""Runs one ONNX model that turns a text into a vector: a classifier or an encoder. Knows no task.

Several texts run side by side with one thread each and are never batched: dynamic int8 scales its
activations over the whole batch, so a text's answer would depend on its neighbours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import tokenizers

from edgekit.artifact.folder import Artifact, read_file
from edgekit.data.inputs import Input
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.runtime.engine import Asked
from edgekit.runtime.ort import onnxruntime
from edgekit.runtime.parallel import in_order
from edgekit.runtime.sessions import open_session, remedies
from edgekit.runtime.tokens import TOKENIZER, Part, TextTokenizer
from edgekit.system import machine

# The inputs that a model may have, made from one window: no padding; types only of a pair.
_INPUTS: Mapping[str, Callable[[Part], np.ndarray]] = {
    "input_ids": lambda part: np.array([part.ids], dtype=np.int64),
    "attention_mask": lambda part: np.ones((1, len(part.ids)), dtype=np.int64),
    "token_type_ids": lambda part: np.array([part.types or [0] * len(part.ids)], dtype=np.int64),
}
LOGITS, EMBEDDING = "logits", "embedding"
"""The names of a classifier's output and of an encoder's."""
# Metadata key of a model so small that waking a second thread takes longer than it saves.
MOST_THREADS = "edgekit.most_threads"


def open_classifier(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> OnnxClassifier:
    """The classifier of an artifact. `files` holds the checked bytes of its model and tokenizer."""
    if len(artifact.manifest.labels) < 2:
        raise ArtifactError(f"{artifact.folder}: a classifier has two labels or more; build again.")
    read_model, encoder = _parts(artifact, files)
    shared = _shared(artifact, asked)
    return OnnxClassifier(read_model, encoder, threads=asked.threads, shared=shared)


def open_encoder(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> OnnxModel:
    """The encoder of an artifact, for vectors that are compared. `files` as for a classifier."""
    read_model, encoder = _parts(artifact, files)
    shared = _shared(artifact, asked)
    return OnnxModel(read_model, encoder, output=EMBEDDING, threads=asked.threads, shared=shared)


def _shared(artifact: Artifact, asked: Asked) -> Path | None:
    return artifact.path(artifact.manifest.model.files[0]) if asked.shared else None


def _parts(
    artifact: Artifact, files: dict[str, bytes]
) -> tuple[Callable[[], bytes], TextTokenizer]:
    """The model's bytes are popped from `files` at their first use, so that they are freed."""
    spec = artifact.manifest.model
    (name,) = spec.files
    encoder = TextTokenizer(
        files.pop(TOKENIZER), prefix=spec.prefix, max_tokens=spec.max_tokens, pairs=spec.pairs
    )

    def read_model() -> bytes:
        return files.pop(name) if name in files else read_file(artifact, name)

    return read_model, encoder


class OnnxModel:
    """Vectors of texts from one ONNX file; safe to use from several threads."""

    def __init__(
        self,
        read_model: Callable[[], bytes],
        encoder: TextTokenizer,
        *,
        output: str,
        threads: int | None = None,
        shared: Path | None = None,
    ) -> None:
        """`read_model` returns the file's bytes and may be called twice: single texts use a session
        of `threads` threads (by default 2), streams one of a single thread, and each session is
        made when it is first needed. `shared` is that file, if its pages are to be shared.
        """
        if threads is not None and threads < 1:
            raise EdgekitError(f"A model cannot run on {threads} threads; give 1 or more.")
        self.threads = threads or min(2, machine.cores())
        self._workers = threads or machine.cores()
        self._open = partial(_open, read_model, output, shared)
        self._encoder = encoder
        self._output = output
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        return self._workers

    @property
    def version(self) -> str:
        return f"onnxruntime {onnxruntime.__version__}, tokenizers {tokenizers.__version__}"

    def vector(self, given: Input, *, alone: bool = True) -> tuple[np.ndarray, int]:
        """The mean over the windows of a text or a pair, float32 of shape (width,), and their
        number."""
        found, parts, _ = self.measured(given, alone=alone)
        return found, parts

    def measured(self, text: Input, *, alone: bool = True) -> tuple[np.ndarray, int, int]:
        """`vector`, and the tokens of all windows, with the prefix and the special ones."""
        session = self._session(self.threads if alone else 1)
        parts = self._encoder.parts(text)
        tokens = sum(len(part.ids) for part in parts)
        found = [_run(session, self._output, part) for part in parts]
        # The mean of one vector is that vector; computing it would only take time.
        if len(found) == 1:
            return found[0], 1, tokens
        mean = np.stack(found).mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean, len(found), tokens

    def probe(self) -> None:
        """Runs the longest window and every added token; ArtifactError where the model fails."""
        session = self._session(self.threads)
        for part in self._encoder.edges():
            if not np.isfinite(_run(session, self._output, part)).all():
                raise ArtifactError(f"The answer to {len(part.ids)} tokens is not a number.")

    def map(self, several: Iterable[Input]) -> Iterator[tuple[np.ndarray, int]]:
        """`vector` of each, in order; several run at the same time."""
        return in_order(partial(self.vector, alone=False), several, workers=self.workers)

    def close(self) -> None:
        with self._lock:
            self._sessions.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        with self._lock:
            if threads not in self._sessions:
                session = self._open(threads)
                most = _most_threads(session, threads)
                if most < threads:
                    session = self._sessions.get(most) or self._open(most)
                    self._sessions[most] = session
                self._sessions[threads] = session
            return self._sessions[threads]


class OnnxClassifier(OnnxModel):
    """A Classifier: the vectors are logits."""

    def __init__(
        self,
        read_model: Callable[[], bytes],
        encoder: TextTokenizer,
        *,
        threads: int | None = None,
        shared: Path | None = None,
    ) -> None:
        super().__init__(read_model, encoder, output=LOGITS, threads=threads, shared=shared)

    def logits(self, given: Input, *, alone: bool = True) -> tuple[np.ndarray, int]:
        """The mean over the windows, float32 of shape (labels,), and their number."""
        return self.vector(given, alone=alone)

    def several(self, given: Sequence[Input]) -> list[tuple[np.ndarray, int]]:
        """`logits` of each by one thread, one after the other."""
        return [self.vector(one, alone=False) for one in given]


def _most_threads(session: onnxruntime.InferenceSession, threads: int) -> int:
    """At most `threads`, and no more than the model's metadata says it gains from."""
    with remedies("cannot be opened"):
        said = session.get_modelmeta().custom_metadata_map.get(MOST_THREADS, threads)
        return max(1, min(threads, int(said)))


def _open(
    read_model: Callable[[], bytes], output: str, shared: Path | None, threads: int
) -> onnxruntime.InferenceSession:
    session = open_session(read_model, threads, shared=shared)
    _check(session, output)
    return session


def _check(session: onnxruntime.InferenceSession, output: str) -> None:
    unknown = {entry.name for entry in session.get_inputs()} - set(_INPUTS)
    if unknown or output not in {entry.name for entry in session.get_outputs()}:
        raise ArtifactError(
            f"The ONNX model must have the output '{output}' and no inputs but "
            f"{', '.join(sorted(_INPUTS))}; it asks for {', '.join(sorted(unknown)) or 'these'}: "
            "export it again."
        )


def _run(session: onnxruntime.InferenceSession, output: str, part: Part) -> np.ndarray:
    return run(session, [output], part)[0][0]


def run(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], part: Part
) -> list[np.ndarray]:
    """What the model returns for one window."""
    feeds = {entry.name: _INPUTS[entry.name](part) for entry in session.get_inputs()}
    with remedies(f"failed on a text of {len(part.ids)} tokens"):
        return [np.asarray(one) for one in session.run(list(outputs), feeds)]

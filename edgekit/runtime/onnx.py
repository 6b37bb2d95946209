"""Runs one ONNX classifier, a text at a time. Knows nothing of artifacts or labels.

Several texts run side by side with one thread each and are never put into a batch: dynamic int8
scales its activations over the whole batch, so a text's answer would depend on its neighbours.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import onnxruntime
import tokenizers

from edgekit import machine
from edgekit.artifact import Artifact, read_file
from edgekit.errors import ArtifactError, EdgekitError, OutOfMemoryBudget
from edgekit.runtime.engine import Asked
from edgekit.runtime.parallel import in_order
from edgekit.runtime.text import TOKENIZER, TextEncoder

# What a model may ask for, made from the ids of one text: all of it is real, and one segment.
_INPUTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "input_ids": lambda ids: ids,
    "attention_mask": np.ones_like,
    "token_type_ids": np.zeros_like,
}
_OUTPUT = "logits"
# In the metadata of a model so small that waking a second thread takes longer than it saves.
MOST_THREADS = "edgekit.most_threads"
# Weights outside the file would be read from the working folder, unchecked. Nothing can be here.
_NOWHERE = f"{os.devnull}/nowhere"
_FATAL = 4


def open_classifier(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> OnnxClassifier:
    """The classifier of an artifact. `files` holds the checked bytes of its model and tokenizer.

    The model's bytes are taken out of `files` when they are first used, so that they are freed.
    """
    spec = artifact.manifest.model
    (name,) = spec.files
    encoder = TextEncoder(files.pop(TOKENIZER), prefix=spec.prefix, max_tokens=spec.max_tokens)

    def read_model() -> bytes:
        return files.pop(name) if name in files else read_file(artifact, name)

    return OnnxClassifier(read_model, encoder, threads=asked.threads)


class OnnxClassifier:
    """Logits of texts from one ONNX file; safe to use from several threads."""

    def __init__(
        self,
        read_model: Callable[[], bytes],
        encoder: TextEncoder,
        *,
        threads: int | None = None,
    ) -> None:
        """`read_model` gives the file's bytes and may be called twice: texts that come alone use a
        session of `threads` threads (2 unless told), those in a stream one of a single thread, and
        each session is made when it is first needed.
        """
        if threads is not None and threads < 1:
            raise EdgekitError(f"A model cannot run on {threads} threads; give 1 or more.")
        self.threads = threads or min(2, machine.cores())
        self._workers = threads or machine.cores()
        self._read_model = read_model
        self._encoder = encoder
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        return self._workers

    @property
    def version(self) -> str:
        return f"onnxruntime {onnxruntime.__version__}, tokenizers {tokenizers.__version__}"

    def logits(self, text: str, *, alone: bool = True) -> tuple[np.ndarray, int]:
        """The mean over the text's windows, float32 of shape (labels,), and their number."""
        session = self._session(self.threads if alone else 1)
        found = [_run(session, ids) for ids in self._encoder.windows(text)]
        # The mean of one is that one, for less than it takes to compute it.
        if len(found) == 1:
            return found[0], 1
        return np.stack(found).mean(axis=0, dtype=np.float64).astype(np.float32), len(found)

    def map(self, texts: Iterable[str]) -> Iterator[tuple[np.ndarray, int]]:
        """`logits` of each text, in order, several at the same time."""
        return in_order(partial(self.logits, alone=False), texts, workers=self.workers)

    def close(self) -> None:
        with self._lock:
            self._sessions.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        with self._lock:
            if threads not in self._sessions:
                session = _open(self._read_model, threads)
                most = _most_threads(session, threads)
                if most < threads:
                    session = self._sessions.get(most) or _open(self._read_model, most)
                    self._sessions[most] = session
                self._sessions[threads] = session
            return self._sessions[threads]


def _most_threads(session: onnxruntime.InferenceSession, threads: int) -> int:
    """So many of `threads` as the model gets faster by, by its own word."""
    with _remedies("cannot be opened"):
        said = session.get_modelmeta().custom_metadata_map.get(MOST_THREADS, threads)
        return max(1, min(threads, int(said)))


def _open(read_model: Callable[[], bytes], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", _NOWHERE
    )
    # Threads that spin while they wait take the core from the next program, and from each other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with _remedies("cannot be opened"), _as_source(read_model) as source:
        session = onnxruntime.InferenceSession(
            source,
            options,
            providers=["CPUExecutionProvider"],
            # What it would fall back on is the same, and it prints that it does.
            enable_fallback=0,
            read_config_from_model=0,
        )
    # It would keep the bytes for that fallback.
    session._model_bytes = None
    _check(session)
    return session


@contextmanager
def _as_source(read_model: Callable[[], bytes]) -> Iterator[str | bytes]:
    """What onnxruntime opens: these very bytes, in a file without a name where there is such.

    Given bytes, onnxruntime holds the model three times while it loads; given a file, once.
    """
    if not (hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()):
        yield read_model()
        return
    with os.fdopen(os.memfd_create("model", os.MFD_CLOEXEC), "wb") as stream:
        stream.write(read_model())
        stream.flush()
        yield f"/proc/self/fd/{stream.fileno()}"


def _check(session: onnxruntime.InferenceSession) -> None:
    unknown = {entry.name for entry in session.get_inputs()} - set(_INPUTS)
    if unknown or _OUTPUT not in {entry.name for entry in session.get_outputs()}:
        raise ArtifactError(
            f"The ONNX model must have the output '{_OUTPUT}' and no inputs but "
            f"{', '.join(sorted(_INPUTS))}; it asks for {', '.join(sorted(unknown)) or 'these'}: "
            "export it again as a text classifier."
        )


def _run(session: onnxruntime.InferenceSession, ids: list[int]) -> np.ndarray:
    tokens = np.array([ids], dtype=np.int64)
    feeds = {entry.name: _INPUTS[entry.name](tokens) for entry in session.get_inputs()}
    with _remedies(f"failed on a text of {len(ids)} tokens"):
        return np.asarray(session.run([_OUTPUT], feeds)[0])[0]


@contextmanager
def _remedies(what: str) -> Iterator[None]:
    try:
        yield
    except EdgekitError:
        raise
    except MemoryError as error:
        raise OutOfMemoryBudget(
            f"The ONNX model {what}: the memory ran out; close other programs and try again."
        ) from error
    except Exception as error:  # onnxruntime's errors have no base of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(
            f"The ONNX model {what} ({reason}); build it again, or use a newer onnxruntime."
        ) from error

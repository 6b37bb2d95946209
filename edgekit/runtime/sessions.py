"""Opens ONNX files with onnxruntime, and tells its errors in edgekit's words. Runs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import ArtifactError, EdgekitError, OutOfMemoryBudget
from edgekit.runtime.ort import onnxruntime, silence

# Weights outside the file would be read from the working folder, unchecked. Nothing can be here.
_NOWHERE = f"{os.devnull}/nowhere"
_FATAL = 4


def open_session(read_model: Callable[[], bytes], threads: int) -> onnxruntime.InferenceSession:
    """Raises ArtifactError for bytes that are no model, OutOfMemoryBudget for want of memory."""
    silence()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", _NOWHERE
    )
    # Threads that spin while they wait take the core from the next program, and from each other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with remedies("cannot be opened"), _as_source(read_model) as source:
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


@contextmanager
def remedies(what: str) -> Iterator[None]:
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

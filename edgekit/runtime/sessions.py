"""Opens ONNX files with onnxruntime and turns its errors into edgekit's. Runs nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import ArtifactError, EdgekitError, OutOfMemoryBudget
from edgekit.runtime.mapped import mapped
from edgekit.runtime.ort import onnxruntime, silence
from edgekit.system import room

# External weights would be read from the working folder, unchecked. Nothing can exist at this path.
_NOWHERE = f"{os.devnull}/nowhere"
_FATAL = 4


def open_session(
    read_model: Callable[[], bytes], threads: int, *, shared: Path | None = None
) -> onnxruntime.InferenceSession:
    """Raises ArtifactError for bytes that are not a model, OutOfMemoryBudget if memory runs out.

    `shared` is the file with these bytes: its large tensors are then used where they lie, in pages
    that all processes share, instead of being copied.
    """
    silence()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", _NOWHERE
    )
    # Threads that spin while they wait take cores from other programs and from one another.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    tables = {}
    if shared is not None:
        held = [read_model()]
        tables = mapped(shared, held[0])
        read_model = held.pop  # so that nobody holds the bytes while the model is opened
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(one) for name, one in tables.items()}
    for name, value in values.items():
        options.add_initializer(name, value)
    with remedies("cannot be opened"), _as_source(read_model) as source:
        session = onnxruntime.InferenceSession(
            source,
            options,
            providers=["CPUExecutionProvider"],
            # Its fallback is the same provider, and it would print that it falls back.
            enable_fallback=0,
            read_config_from_model=0,
        )
    # It would keep the model's bytes for that fallback.
    session._model_bytes = None
    # It reads them as long as it lives, and does not hold them itself.
    session._edgekit_tables = (tables, values)
    return session


@contextmanager
def _as_source(read_model: Callable[[], bytes]) -> Iterator[str | bytes]:
    """What onnxruntime opens: exactly these bytes, in an anonymous file where the system has those.

    Given bytes, onnxruntime holds three copies of the model while it loads; given a file, one.
    """
    if not (hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()):
        yield read_model()
        return
    with os.fdopen(os.memfd_create("model", os.MFD_CLOEXEC), "wb") as stream:
        stream.write(read_model())
        stream.flush()
        yield f"/proc/self/fd/{stream.fileno()}"


_REMEDIES = (
    (
        re.compile(r"IR version|opset|NOT_IMPLEMENTED|not a registered function|implementation"),
        "it is made for a newer onnxruntime: pip install --upgrade onnxruntime",
    ),
    (
        re.compile(r"out of data bounds|out of bounds"),
        "its tokenizer has tokens that its table has no rows for: mend the checkpoint that it was "
        "made from, and build it again",
    ),
    (
        re.compile(r"[Pp]rotobuf|INVALID_PROTOBUF|INVALID_GRAPH|not a valid model"),
        "the file was damaged before it was sealed: build it again",
    ),
)
"""What onnxruntime says, and what cures that."""
_OTHERWISE = "report it with this message, as neither another build nor another copy would differ"


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
    except Exception as error:  # onnxruntime's errors have no common base
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if room.OUT_OF_MEMORY.search(str(error)):
            raise OutOfMemoryBudget(
                f"The ONNX model {what} ({reason}): the memory ran out; close other programs and "
                "try again."
            ) from error
        remedy = next((told for said, told in _REMEDIES if said.search(reason)), _OTHERWISE)
        raise ArtifactError(f"The ONNX model {what} ({reason}); {remedy}.") from error

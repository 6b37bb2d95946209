"""Copies a GGUF file with other metadata and only some rows of its tables. Requantizes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from edgekit.errors import ExportError
from edgekit.export.gguf import header

PART_ROWS = 4096
"""Rows of a table held at once."""
_ARCHITECTURE = "general.architecture"
_OF_THE_FORM = "GGUF."
"""Prefix of what the reader says about the file itself."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that was read once: large vocabularies take seconds."""

    path: Path
    facts: Mapping[str, Any]
    """All of its metadata; no tensors."""
    tables: Mapping[str, int]
    """The number of rows of every matrix, by name."""
    reader: gguf.GGUFReader


def read(path: Path) -> Opened:
    """Raises ExportError for anything but a complete GGUF file."""
    try:
        header.read(path)  # checks it without trusting it
        reader = gguf.GGUFReader(path)
    except OSError as error:
        raise ExportError(f"{path}: this cannot be read ({error.strerror}).") from error
    except (ValueError, LookupError) as error:
        raise ExportError(
            f"{path}: this is not a whole GGUF file ({error}); copy or make it again."
        ) from error
    facts = {key: one.contents() for key, one in reader.fields.items()
             if not key.startswith(_OF_THE_FORM)}  # fmt: skip
    tables = {one.name: int(one.data.shape[0]) for one in reader.tensors if one.data.ndim > 1}
    return Opened(path, facts, tables, reader)


def copy(
    source: Opened,
    out: Path,
    *,
    changed: Mapping[str, Any],
    tables: Collection[str] = (),
    rows: np.ndarray | None = None,
    add: Callable[[gguf.GGUFWriter], None] = lambda writer: None,
) -> None:
    """Writes `out`: `changed` replaces what the source says under these keys, where None leaves it
    out, and `add` says more; of the `tables` only these `rows` are left, byte for byte."""
    reader = source.reader
    writer = gguf.GGUFWriter(out, str(source.facts[_ARCHITECTURE]))
    writer.data_alignment = reader.alignment
    for key, field in reader.fields.items():
        if not key.startswith(_OF_THE_FORM) and key != _ARCHITECTURE:
            value = changed.get(key, source.facts[key])
            kinds = field.types
            if value is not None:
                writer.add_key_value(key, value, kinds[0], kinds[-1] if len(kinds) > 1 else None)
    add(writer)
    for tensor in reader.tensors:
        shape, size = list(tensor.data.shape), int(tensor.n_bytes)
        if tensor.name in tables and rows is not None:
            size = size // shape[0] * len(rows)
            shape[0] = len(rows)
        writer.add_tensor_info(tensor.name, shape, tensor.data.dtype, size, tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with out.open("ab") as stream:
        _pad(stream, reader.alignment)
        for tensor in reader.tensors:
            order = rows if tensor.name in tables else None
            for part in _parts(tensor.data, order):
                stream.write(part.tobytes())
            _pad(stream, reader.alignment)


def _parts(data: np.ndarray, order: np.ndarray | None) -> Iterator[np.ndarray]:
    count = len(data) if order is None else len(order)
    for start in range(0, count, PART_ROWS):
        rows = slice(start, start + PART_ROWS)
        yield data[rows if order is None else order[rows]]


def _pad(stream: Any, alignment: int) -> None:
    stream.write(bytes(-stream.tell() % alignment))

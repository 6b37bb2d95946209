"""Tables of a batch: a dict of columns, pandas or Arrow, read and given back as the same kind.

Knows no model. pandas and pyarrow are used where the caller has imported them, and never imported
for a caller who has not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edgekit.errors import DataError
from edgekit.tasks.contract import Kind
from edgekit.wording.suggestions import did_you_mean


class Table(Protocol):
    """A batch of any kind."""

    @property
    def names(self) -> Sequence[str]: ...

    def column(self, name: str) -> Sequence[Any]:
        """The values of a column, as Python's own where it has them."""

    def extended(self, added: Mapping[str, Sequence[Any]], kinds: Mapping[str, Kind]) -> Any:
        """The batch with further columns, of the kind that it is; the batch itself stays."""


def of(batch: Any) -> Table:
    """Raises DataError for anything that is not a table."""
    arrow, pandas = sys.modules.get("pyarrow"), sys.modules.get("pandas")
    if arrow is not None and isinstance(batch, arrow.Table | arrow.RecordBatch):
        return _Arrow(batch)
    if pandas is not None and isinstance(batch, pandas.DataFrame):
        return _Pandas(batch)
    if isinstance(batch, Mapping):
        return _Columns(batch)
    raise DataError(
        "A batch is a dict of columns, a pandas DataFrame or an Arrow table, not "
        f"{type(batch).__name__}."
    )


def texts(table: Table, column: str) -> Sequence[Any]:
    """Raises DataError where there is no such column."""
    if column not in table.names:
        near = did_you_mean(column, [str(name) for name in table.names])
        raise DataError(f"The batch has no column '{column}'.{near}")
    return table.column(column)


class _Columns:
    """A dict of columns of one length; numpy's arrays are answered with arrays, as Ray gives."""

    def __init__(self, batch: Mapping[str, Any]) -> None:
        lengths = {name: len(values) for name, values in batch.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"The batch's columns have different lengths: {lengths}.")
        self._batch = batch

    @property
    def names(self) -> Sequence[str]:
        return list(self._batch)

    def column(self, name: str) -> Sequence[Any]:
        return list(self._batch[name])

    def extended(self, added: Mapping[str, Sequence[Any]], kinds: Mapping[str, Kind]) -> Any:
        import numpy as np  # not on import, as nothing of edgekit

        if any(isinstance(values, np.ndarray) for values in self._batch.values()):
            # One type for all batches, whether or not a row of this one has no answer.
            return {
                **self._batch,
                **{
                    name: np.array(values, dtype=float if kinds[name] == "number" else object)
                    for name, values in added.items()
                },
            }
        return {**self._batch, **added}


class _Pandas:
    _TYPES: Mapping[Kind, str] = {
        "text": "string",
        "number": "float64",
        "integer": "Int64",
        "boolean": "boolean",
    }

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    @property
    def names(self) -> Sequence[str]:
        return list(self._batch.columns)

    def column(self, name: str) -> Sequence[Any]:
        return list(self._batch[name])

    def extended(self, added: Mapping[str, Sequence[Any]], kinds: Mapping[str, Kind]) -> Any:
        import pandas as pd  # the caller's

        columns = {
            name: pd.Series(values, index=self._batch.index, dtype=self._TYPES[kinds[name]])
            for name, values in added.items()
        }
        return self._batch.assign(**columns)


class _Arrow:
    def __init__(self, batch: Any) -> None:
        self._batch = batch

    @property
    def names(self) -> Sequence[str]:
        return list(self._batch.schema.names)

    def column(self, name: str) -> Sequence[Any]:
        return list(self._batch.column(name).to_pylist())

    def extended(self, added: Mapping[str, Sequence[Any]], kinds: Mapping[str, Kind]) -> Any:
        import pyarrow as pa  # the caller's

        types = {
            "text": pa.string(),
            "number": pa.float64(),
            "integer": pa.int64(),
            "boolean": pa.bool_(),
        }
        found = self._batch
        for name, values in added.items():
            field = pa.field(name, types[kinds[name]])
            found = found.append_column(field, pa.array(values, field.type))
        return found

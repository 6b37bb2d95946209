"""Writes records as Parquet; the columns of the file that they came from are copied unchanged."""

from __future__ import annotations

from itertools import count, islice
from pathlib import Path
from typing import Any

from edgekit.data.partial import Original, names_of, records_of, text_of
from edgekit.data.records import BATCH_ROWS, Record, open_parquet


def write(partial: Path, whole: Path, original: Original | None) -> tuple[str, ...]:
    if original is not None and original.path.suffix.lower() == ".parquet":
        _extend_parquet(partial, whole, original)
    else:
        _make_parquet(partial, whole)
    return ()


def _make_parquet(partial: Path, whole: Path) -> None:
    import pyarrow as pa  # an extra, and slow to import
    import pyarrow.parquet as pq

    schema = _schema(partial, names_of(partial))
    records = records_of(partial)
    with pq.ParquetWriter(whole, schema) as writer:
        while batch := list(islice(records, BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(_fit(batch, schema), schema=schema))


def _extend_parquet(partial: Path, whole: Path, original: Original) -> None:
    import pyarrow as pa  # an extra, and slow to import
    import pyarrow.parquet as pq

    records = records_of(partial)
    with open_parquet(original.path) as file:
        known = file.schema_arrow
        copied = [name for name in known.names if name not in original.changed]
        made = _schema(partial, [name for name in names_of(partial) if name not in copied])
        added = [field for field in made if field.name not in known.names]
        replaced = [made.field(one.name) if one.name not in copied else one for one in known]
        schema = pa.schema([*replaced, *added])
        with pq.ParquetWriter(whole, schema) as writer:
            numbers = iter(original.rows) if original.rows is not None else count(1)
            at, wanted = 0, next(numbers, None)
            for whole_batch in file.iter_batches(batch_size=BATCH_ROWS):
                places = []
                while wanted is not None and wanted <= at + whole_batch.num_rows:
                    places.append(wanted - at - 1)
                    wanted = next(numbers, None)
                at += whole_batch.num_rows
                if not places:
                    continue
                batch = whole_batch.take(pa.array(places, pa.int64()))
                rows = list(islice(records, batch.num_rows))
                if len(rows) != batch.num_rows:
                    raise original.changed_since()
                new = pa.RecordBatch.from_pylist(_fit(rows, made), schema=made)
                columns = [(batch if name in copied else new).column(name) for name in schema.names]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _schema(partial: Path, names: list[str]) -> Any:
    """A type for each column: the one that all its values have, else text."""
    import pyarrow as pa  # an extra, and slow to import

    kinds: dict[str, set[type]] = {name: set() for name in names}
    for record in records_of(partial):
        for name in kinds:
            if record.get(name) is not None:
                kinds[name].add(_kind(record[name]))
    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    return pa.schema(
        [
            (name, types.get(next(iter(found)), pa.string()) if len(found) == 1 else pa.string())
            for name, found in kinds.items()
        ]
    )


def _kind(value: Any) -> type:
    """Integers that take more than 64 bits are kept as text."""
    return str if isinstance(value, int) and value.bit_length() > 63 else type(value)


def _fit(records: list[Record], schema: Any) -> list[Record]:
    """Turns the values of text columns into text: lists and objects from JSONL into JSON."""
    import pyarrow as pa  # an extra, and slow to import

    texts = [field.name for field in schema if field.type == pa.string()]
    return [
        {
            **record,
            **{name: text_of(record[name]) for name in texts if record.get(name) is not None},
        }
        for record in records
    ]

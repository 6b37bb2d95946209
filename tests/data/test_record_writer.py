"""Records reach the asked format whole, also when the run that wrote them was killed."""

from __future__ import annotations

import json
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.data.rows import RecordWriter, stream_records
from edgekit.errors import DataError, OutOfDisk

RECORDS: list[dict[str, Any]] = [
    {"text": 'a "quoted", text\nof two lines', "label": "x", "score": 0.25, "abstained": False},
    {"text": "مرحبا", "label": "y", "score": 1 / 3, "abstained": True},
]


def write(path: Path, records: list[dict[str, Any]], source: Path | None = None) -> Path:
    with RecordWriter(path, source=source) as writer:
        for record in records:
            writer.write(record)
        writer.finish()
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_typed_formats_keep_types(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"out{suffix}", RECORDS)
    assert list(stream_records(path)) == RECORDS
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_text_formats_keep_texts(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"out{suffix}", RECORDS)
    read = list(stream_records(path))
    assert [record["text"] for record in read] == [record["text"] for record in RECORDS]
    assert [float(record["score"]) for record in read] == [0.25, 1 / 3]
    assert [record["abstained"] for record in read] == ["false", "true"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_killed_run_goes_on_after_the_last_whole_record(
    suffix: str, cut: int, tmp_path: Path
) -> None:
    path = tmp_path / f"out{suffix}"
    with RecordWriter(path) as writer:
        for record in RECORDS:
            writer.write(record)
    writer.partial.write_bytes(writer.partial.read_bytes()[:cut])
    assert not path.exists()
    with RecordWriter(path) as writer:
        for record in islice(RECORDS, writer.written, None):
            writer.write(record)
        writer.finish()
    whole = write(tmp_path / f"whole{suffix}", RECORDS)
    assert path.read_bytes() == whole.read_bytes()


def test_zeros_that_a_power_cut_left_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with RecordWriter(path) as writer:
        writer.write(RECORDS[0])
    with writer.partial.open("ab") as stream:
        stream.write(b"\0" * 100 + b"\n")
    with RecordWriter(path) as writer:
        assert writer.written == 1


def test_parquet_columns_of_the_source_stay_as_they_were(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    table = pa.table(
        {
            "text": ["a", "b", "c"],
            "day": [date(2024, 1, 2), None, date(2025, 1, 2)],
            "raw": pa.array([1, 2, 3], pa.int16()),
        }
    )
    pq.write_table(table, source)
    records = [record | {"label": "x", "score": 0.5} for record in stream_records(source)]
    result = pq.read_table(write(tmp_path / "out.parquet", records, source))
    assert result.select(table.column_names).equals(table)
    assert result["label"].to_pylist() == ["x"] * 3
    with pytest.raises(DataError, match="has changed since"):
        write(tmp_path / "short.parquet", records[:2], source)


def test_values_that_parquet_cannot_type_become_text(tmp_path: Path) -> None:
    records = [{"a": [1], "b": 1, "c": 2**70}, {"a": {"k": 0}, "b": "x", "c": 0}]
    read = list(stream_records(write(tmp_path / "out.parquet", records)))
    assert read == [{"a": "[1]", "b": "1", "c": str(2**70)}, {"a": '{"k": 0}', "b": "x", "c": "0"}]


def test_nan_is_refused_where_the_format_has_none(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "out.jsonl") as writer:
        with pytest.raises(DataError, match="record 1 has a number that JSON lacks"):
            writer.write({"weight": float("nan")})
        assert writer.written == 0


@pytest.mark.parametrize("name", ["out.numbers", "nowhere/out.csv"])
def test_a_bad_name_is_refused_before_work_begins(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="out"):
        RecordWriter(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "out.csv") as writer:
        writer.close()
        writer._stream = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
        with pytest.raises(OutOfDisk, match="the disk is full"):
            writer.write(RECORDS[0])
        assert writer.written == 0


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(records=st.lists(st.fixed_dictionaries({"text": TEXT, "label": TEXT}), min_size=1))
def test_every_format_gives_back_what_was_written(
    records: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        path = write(folder / f"out{suffix}", records)
        assert json.loads(json.dumps(list(stream_records(path)))) == records

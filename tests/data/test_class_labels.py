"""Integers of a Parquet file get the names that its schema has for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgekit.data.class_labels import named_records
from edgekit.data.rows import read_rows
from edgekit.errors import DataError

NAMES = {"_type": "ClassLabel", "names": ["heat", "light", "music"]}


def written(folder: Path, columns: dict[str, Any], features: Any) -> Path:
    """A file as `datasets` writes it with Dataset.to_parquet."""
    table = pa.table(columns)
    metadata = json.dumps({"info": {"features": features}})
    path = folder / "rows.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), path)
    return path


def test_labels_and_languages_have_their_names(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"text": ["warm", "lamp"], "label": [0, 1], "language": [1, 0]},
        {
            "text": {"dtype": "string", "_type": "Value"},
            "label": NAMES,
            "language": {"_type": "ClassLabel", "names": ["pt_BR", "en"]},
        },
    )
    assert [(row.label, row.language) for row in read_rows(path)] == [
        ("heat", "en"),
        ("light", "pt-BR"),
    ]


@pytest.mark.parametrize(
    "feature",
    [{"_type": "Sequence", "feature": NAMES}, {"_type": "List", "feature": NAMES}, [NAMES]],
    ids=["Sequence", "List", "a list"],
)
def test_lists_of_classes_have_their_names(feature: Any, tmp_path: Path) -> None:
    path = written(tmp_path, {"text": ["warm"], "labels": [[2, 0]]}, {"labels": feature})
    [(_, record)] = named_records(path)
    assert record["labels"] == ["music", "heat"]


def test_a_row_without_a_class_is_refused_by_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, {"text": ["warm", "lamp"], "label": [0, -1]}, {"label": NAMES})
    with pytest.raises(DataError, match=r"rows\.parquet: row 2: column 'label' must be text"):
        read_rows(path)


def test_a_number_without_a_name_is_refused_by_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, {"text": ["warm", "lamp"], "label": [0, 3]}, {"label": NAMES})
    with pytest.raises(DataError, match=r"row 2: column 'label' is 3, .* the classes 0 to 2"):
        read_rows(path)


@pytest.mark.parametrize("features", [None, [], {"label": {"_type": "Value"}}, {"label": 7}])
def test_other_metadata_leaves_the_integers(features: Any, tmp_path: Path) -> None:
    path = written(tmp_path, {"text": ["warm"], "label": [2]}, features)
    assert [row.label for row in read_rows(path)] == ["2"]

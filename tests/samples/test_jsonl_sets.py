"""Sets of rows in several languages, and the lines that count them."""

from __future__ import annotations

import json
from pathlib import Path

from edgekit.samples import jsonl_sets

SETS = {
    "test": [{"text": "é", "language": "fr"}, {"text": "b", "language": "de"},
             {"text": "c", "language": "de"}],
    "train": [],
}  # fmt: skip


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    jsonl_sets.write(tmp_path / "data", SETS)
    for name, records in SETS.items():
        lines = (tmp_path / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == records
    assert "é" in (tmp_path / "data" / "test.jsonl").read_text(encoding="utf-8")


def test_each_language_is_counted() -> None:
    found = jsonl_sets.sizes(SETS, language="language", what="texts")
    assert found == "- `test.jsonl`: 3 texts (de 2, fr 1)\n- `train.jsonl`: 0 texts ()"

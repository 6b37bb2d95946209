"""The comparison of mixes: texts that no two sets share, and what its table says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from tests.bench import knapsack


def test_the_sets_share_no_passage(tmp_path: Path) -> None:
    paragraph = "Абзац {number}\nна двух строках. " + 40 * "слово "
    text = "\n\n".join(paragraph.format(number=number) for number in range(2000))
    (tmp_path / "ru").mkdir()
    (tmp_path / "ru/install.ru.txt.gz").write_bytes(gzip.compress(text.encode("koi8-r")))
    knapsack.write_data(tmp_path, tmp_path / "data", ["ru"])
    found: dict[str, set[str]] = {}
    for name, count in knapsack.ROWS.items():
        lines = (tmp_path / "data" / f"{name}.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        assert len(rows) == count
        assert {row["language"] for row in rows} == {"ru"}
        assert all(len(row["text"]) >= knapsack.PASSAGE_CHARACTERS for row in rows)
        assert not any("Абзац\n" in row["text"] for row in rows)
        found[name] = {part for row in rows for part in row["text"].split("\n\n")}
    train, validation, test = found.values()
    assert train.isdisjoint(validation | test)
    assert validation.isdisjoint(test)


def test_the_table_tells_what_is_saved(tmp_path: Path) -> None:
    def side(name: str, kld: float, p99: float) -> dict[str, Any]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.gguf").write_bytes(bytes(1000))
        quality = {"tokens": 20_000, "kld": kld, "kld_p99": p99, "top1": 0.9}
        return {"artifact": str(tmp_path / name), "quality": quality}

    found = {"stock": side("stock", 0.04, 0.4), "chosen": side("chosen", 0.03, 0.2)}
    lines = knapsack.table(found).splitlines()
    assert lines[2] == "| stock | 1,000 | 20000 | 0.0400 | 0.400 | 90.00% |"
    assert lines[-1] == "less: 25.0% on average, 50.0% at 99 %"

"""The table of `make bench`, from numbers that were measured once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench import table


def measured() -> dict[str, Any]:
    def side(size: int, p50: float) -> dict[str, float]:
        return {"size_bytes": size, "p50_ms": p50}

    judged = {"kept": 0.9912, "worst_language": {"language": "ar", "kept": 0.975}}
    return {
        "artifact": side(10_000_000, 1.0),
        "torch_fp32": side(470_000_000, 30.0),
        "ort_fp32": side(470_000_000, 10.0),
        "optimum_int8": side(118_000_000, 5.0),
        "ratio": {
            "size": 47.0, "size_optimum_int8": 11.8, "torch_fp32": 30.0, "ort_fp32": 10.0,
            "optimum_int8": 5.0,
        },
        "quality": {
            "artifact": {**judged, "verdict": "PASS"},
            "optimum_int8": {"kept": 0.98, "worst_language": None},
        },
        "built": {"seconds": 600, "peak_rss_bytes": 2_000_000_000},
    }  # fmt: skip


def test_a_row_for_each_recipe_and_one_for_optimum() -> None:
    lines = table.table({"small": measured(), "tiny": measured()}).splitlines()
    assert [line.split(" | ")[0] for line in lines] == [
        "| recipe", "| ---", "| small", "| tiny", "| optimum's int8",
    ]  # fmt: skip
    assert lines[2] == (
        "| small | 10.0 | 47.0× | 30.0× | 10.0× | 99.12% | ar 97.5% | PASS | 11.8× | 5.0× "
        "| 10.0 min | 2.0 GB |"
    )
    assert lines[4].startswith("| optimum's int8 | 118.0 | 4.0× | 6.0× | 2.0× | 98.00% | – |")
    assert len({line.count(" | ") for line in lines}) == 1


def test_recipes_that_extend_a_shipped_one_are_found(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("version: 1\n")
    (tmp_path / "small.yaml").write_text("version: 1\nextends: builtin/classify-small\n")
    assert table.variants(tmp_path) == ["small"]


def test_a_recipe_that_cannot_be_built_ends_the_bench(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.yaml").write_text("version: 9\n")
    with pytest.raises(SystemExit, match=r"small\.yaml could not be built \(exit code 1\)"):
        table.build(tmp_path, "small")
    assert "small.yaml" in capfd.readouterr().err

"""Labels that can hardly be meant as they are written are asked about, not trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import DataError
from edgekit.recipe import dataset, recipe
from tests.tiny import encoder as tiny


def _relabel(path: Path, old: str, new: str, *, rows: int) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f",{old},", f",{new},", rows), encoding="utf-8")


@pytest.mark.parametrize("spelling", ["Heat", "heat ", " heat", "HEAT", "he at", "ｈeat"])
def test_a_label_that_differs_by_spaces_or_case_is_asked_about(
    spelling: str, project: Path
) -> None:
    _relabel(project / "data" / "train.csv", "heat", spelling, rows=2)
    bound = recipe.read(project / "recipe.yaml")
    with pytest.raises(DataError) as caught:
        dataset.read(bound, labels=None)
    said = str(caught.value)
    assert said.startswith("recipe.yaml:6: the labels 'heat' (")
    assert "in data/validation.csv" in said
    assert f"'{spelling}' (2 rows in data/train.csv)" in said
    assert "write both alike if they are one class" in said


def test_one_row_in_another_file_is_asked_about(project: Path) -> None:
    _relabel(project / "data" / "test.csv", "music", "Music", rows=1)
    bound = recipe.read(project / "recipe.yaml")
    with pytest.raises(DataError, match=r"'Music' \(1 row in data/test\.csv\)"):
        dataset.read(bound, labels=tiny.LABELS)


def test_labels_that_the_model_tells_apart_are_two(project: Path) -> None:
    _relabel(project / "data" / "train.csv", "heat", "Heat", rows=2)
    bound = recipe.read(project / "recipe.yaml")
    known = (*tiny.LABELS, "Heat")
    assert dataset.read(bound, labels=known).labels == known


def test_the_spelling_of_a_language_leaves_no_row_out(project: Path) -> None:
    for name in ("train", "validation", "test"):
        path = project / "data" / f"{name}.csv"
        path.write_text(path.read_text("utf-8").replace(",en,", ",EN_us,"), encoding="utf-8")
    text = (project / "recipe.yaml").read_text("utf-8").replace("[en,", "[en-us,")
    (project / "recipe.yaml").write_text(text, encoding="utf-8")
    bound = recipe.read(project / "recipe.yaml")
    assert bound.recipe.languages == ["en-US", "fr", "ar"]
    assert {row.language for row in dataset.read(bound, labels=None).test} == {"en-US", "fr", "ar"}

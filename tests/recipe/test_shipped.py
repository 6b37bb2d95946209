"""Every shipped recipe is valid, and comes along when edgekit is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from edgekit.recipe import recipe, strict_yaml

RECIPES = recipe.shipped()


def test_there_are_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_recipe_is_valid_and_says_what_it_is_for(name: str) -> None:
    bound = recipe.read(RECIPES[name])
    first = RECIPES[name].read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")
    assert bound.outputs


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_recipe_uses_no_yaml_that_another_reader_would_take_otherwise(name: str) -> None:
    data = RECIPES[name].read_bytes()
    assert yaml.safe_load(data) == strict_yaml.parse(data, name).value


def test_the_wheel_carries_the_recipes(tmp_path: Path) -> None:
    """Built as a user's pip would build it."""
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for name in RECIPES:
        assert f"edgekit/recipes/{name}.yaml" in names
    assert "edgekit/py.typed" in names
    assert "edgekit/build/report.html.j2" in names
    assert "edgekit/samples/names.json" in names

"""`edgekit new`: copies a shipped recipe into a folder, to be edited."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from edgekit.errors import RecipeError
from edgekit.wording.suggestions import did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a name from `edgekit recipes`")
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", default=Path())


def run(settings: argparse.Namespace) -> int:
    from edgekit.recipe.recipe import shipped  # pydantic

    recipes = shipped()
    name = settings.recipe.removeprefix("builtin/")
    if name not in recipes:
        raise RecipeError(
            f"There is no shipped recipe '{name}'.{did_you_mean(name, list(recipes))}"
        )
    target = settings.folder / "recipe.yaml"
    if target.exists():
        raise RecipeError(f"{target} exists; name another folder: edgekit new {name} DIR.")
    settings.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(recipes[name], target)
    print(f"{target}  edit it, then: edgekit plan {target}")
    return 0

"""`edgekit new`: a shipped recipe to edit, or one filled in for a checkpoint and rows."""

from __future__ import annotations

import argparse
import difflib
import shutil
from collections.abc import Mapping
from pathlib import Path

from edgekit.cli.output import clean, messages
from edgekit.errors import RecipeError
from edgekit.wording.suggestions import did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="a name from `edgekit recipes` (default with --model: the one that suits it best)",
    )
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="default: this folder")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="a Hugging Face folder: the recipe is filled in for it, and can be planned at once",
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="tables (CSV, xlsx, ods, JSONL, Parquet) with the columns text and label or "
        "labels, text and summary, source and target (with from and to), text, or messages, and, "
        "optional, language and group: one file, "
        "which is divided, or files called train, validation and test; text files are taken as "
        "texts without labels",
    )


def run(settings: argparse.Namespace) -> int:
    from edgekit.recipe.recipe import shipped  # pydantic

    recipes = shipped()
    if bool(settings.model) != bool(settings.data):
        raise RecipeError("--model and --data belong together: give a checkpoint and its rows.")
    name: str | None = settings.recipe
    folder: Path | None = settings.folder
    if settings.model and folder is None and name is not None and _is_folder(name, recipes):
        folder, name = Path(name), None
    name = None if name is None else name.removeprefix("builtin/")
    if name is not None and name not in recipes:
        raise RecipeError(
            f"There is no shipped recipe '{name}'.{did_you_mean(name, list(recipes))}"
        )
    if settings.model:
        return _start(settings, name, folder or Path())
    if name is None:
        raise RecipeError("Name a recipe from `edgekit recipes`, or give --model and --data.")
    return _copy(recipes[name], folder or Path())


def _is_folder(name: str, recipes: Mapping[str, Path]) -> bool:
    """Whether a single name is DIR and not RECIPE, not even a misspelt one."""
    known = name.removeprefix("builtin/")
    return known == name and not difflib.get_close_matches(known, list(recipes), cutoff=0.8)


def _copy(recipe: Path, folder: Path) -> int:
    target = folder / "recipe.yaml"
    if target.exists():
        raise RecipeError(f"{target} exists; name another folder: edgekit new {recipe.stem} DIR.")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(recipe, target)
    print(f"{target}  edit it, then: edgekit plan {target}")
    return 0


def _start(settings: argparse.Namespace, name: str | None, folder: Path) -> int:
    from edgekit.build.new.write import start
    from edgekit.cli.planning import choose_device

    with messages().status("looking at the model and the rows"):
        started = start(
            folder,
            model=settings.model,
            files=settings.data,
            name=name,
            device=choose_device("auto"),
        )
    for note in started.notes:
        print(clean(note))
    print(f"{started.path}  next: edgekit plan {started.path}")
    return 0

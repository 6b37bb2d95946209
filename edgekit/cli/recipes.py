"""`edgekit recipes`: lists the shipped recipes."""

from __future__ import annotations

import argparse

from edgekit.cli.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON list on stdout")


def run(settings: argparse.Namespace) -> int:
    from edgekit.recipe.recipe import shipped  # pydantic

    recipes = [
        {"name": name, "about": _first_comment(path.read_text(encoding="utf-8"))}
        for name, path in shipped().items()
    ]
    if settings.json:
        print_json(recipes)
    else:
        for one in recipes:
            print(f"{one['name']}\n    {one['about']}")
        print("\nCopy one with: edgekit new NAME")
    return 0


def _first_comment(text: str) -> str:
    """A shipped recipe's first line, which says what it is for."""
    return text.splitlines()[0].lstrip("# ").rstrip()

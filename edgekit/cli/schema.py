"""`edgekit schema`: prints the JSON Schema of recipes, for editors to complete and check with."""

from __future__ import annotations

import argparse

from edgekit.cli.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds none."""


def run(settings: argparse.Namespace) -> int:
    from edgekit.recipe.schema import schema  # pydantic

    print_json(schema())
    return 0

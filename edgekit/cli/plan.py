"""`edgekit plan`: checks a recipe and says what it will cost; runs nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgekit.cli.output import print_json, print_table
from edgekit.cli.terminal import printable
from edgekit.wording.units import human_bytes, human_seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that `plan` and `compress` share."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where results go (default: out beside the recipe)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=C",
        dest="changes",
        help="change a value of the recipe, such as steps.0.finetune.epochs=1; may be repeated",
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--smoke", action="store_true", help="try the whole chain on a few rows and two layers"
    )


def run(settings: argparse.Namespace) -> int:
    # pydantic and the steps: only for commands that read recipes.
    from edgekit.cli.planning import make_plan

    plan = make_plan(settings)
    facts = plan.as_json()
    if settings.json:
        print_json(facts)
        return 0
    labels = f"{len(plan.dataset.labels)} labels, " if plan.dataset.labels else ""
    print_table(
        f"{plan.bound.path.name}: {len(plan.dataset.train):,} training, "
        f"{len(plan.dataset.validation):,} validation and {len(plan.dataset.test):,} test rows, "
        f"{labels}{plan.description.parameters / 1e6:.1f} million "
        "parameters",
        ("step", "time", "peak memory", "disk"),
        [
            (
                step["step"],
                human_seconds(step["seconds"]),
                human_bytes(step["peak_bytes"]),
                human_bytes(step["disk_bytes"]),
            )
            for step in facts["steps"]
        ],
    )
    print(f"\nIn all about {human_seconds(facts['seconds'])}, on the device {plan.device}.")
    for note in plan.notes:
        print(printable(f"Note: {note}", most=1000))
    print(facts["why"] or "It fits in this machine's memory and disk.")
    return 0

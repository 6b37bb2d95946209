"""`edgekit sample`: fetches a real checkpoint and data; the one command that uses the network."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from edgekit.cli.output import messages, print_event, print_json
from edgekit.job.events import Event


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="such as home-intents")
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="default: ./NAME")
    parser.add_argument(
        "--json", action="store_true", help="events as JSON lines on stderr, the result on stdout"
    )


def run(settings: argparse.Namespace) -> int:
    from edgekit import samples  # imports what the chosen sample needs

    folder = settings.folder or Path(settings.name)
    recipe = folder / "recipe.yaml"
    make = partial(samples.make, settings.name, folder)
    if settings.json:
        make(
            on_progress=lambda what, fraction: print_event(
                Event(settings.name, "progress", fraction, note=what).as_json()
            )
        )
        print_json({"sample": settings.name, "path": str(folder), "recipe": str(recipe)})
        return 0
    with messages().status("") as status:
        make(on_progress=lambda what, fraction: status.update(f"{what} ({fraction:.0%})"))
    print(f"{recipe}  next: edgekit compress {recipe}")
    return 0

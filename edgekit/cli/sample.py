"""`edgekit sample`: fetches a real checkpoint and data; the one command that uses the network."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgekit.cli.output import messages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="such as home-intents")
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="default: ./NAME")


def run(settings: argparse.Namespace) -> int:
    from edgekit import samples  # imports what the asked sample needs

    folder = settings.folder or Path(settings.name)
    with messages().status("") as status:
        samples.make(
            settings.name,
            folder,
            on_progress=lambda what, fraction: status.update(f"{what} ({fraction:.0%})"),
        )
    print(f"{folder / 'recipe.yaml'}  next: edgekit compress {folder / 'recipe.yaml'}")
    return 0

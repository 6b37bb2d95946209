"""`edgekit tui`: the terminal app, a separate package behind the extra `tui`."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from edgekit.errors import MissingExtra


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifacts", nargs="*", type=Path, metavar="ARTIFACT", help="folders to show first"
    )


def run(settings: argparse.Namespace) -> int:
    for package in ("textual", "bidi", "babel"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "tui")
    from edgekit_tui.run import run as show  # the app and textual: not for `--help`

    return show(settings.artifacts)

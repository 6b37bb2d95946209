"""The command: `edgekit-tui [ARTIFACT…]`, the same as `edgekit tui`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifacts", nargs="*", type=Path, metavar="ARTIFACT", help="folders to show first"
    )


def run(artifacts: Sequence[Path]) -> int:
    """Shows the app until it is left; returns the exit code."""
    from edgekit_tui.app import EdgekitApp  # textual: not for `--help`

    app = EdgekitApp(artifacts)
    app.run()
    return app.return_code or 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="edgekit-tui", description="Use artifacts in a terminal, offline."
    )
    add_arguments(parser)
    return run(parser.parse_args(argv).artifacts)


def run_and_exit() -> NoReturn:
    """The entry point of the installed command."""
    sys.exit(main())


if __name__ == "__main__":
    run_and_exit()

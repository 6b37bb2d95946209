"""The command: `edgekit-tui [ARTIFACT…]`, the same as `edgekit tui`."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from edgekit.errors import EdgekitError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifacts", nargs="*", type=Path, metavar="ARTIFACT", help="folders to show first"
    )


def run(artifacts: Sequence[Path]) -> int:
    """Shows the app until it is left; returns the exit code.

    Raises EdgekitError where there is no terminal to show it on.
    """
    # Textual draws on stderr, so stdout may be anything.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise EdgekitError(
            "The terminal app needs a terminal; in scripts, use `edgekit classify` and the others."
        )
    from edgekit_tui.app import EdgekitApp  # textual: not for `--help`
    from edgekit_tui.bidi import IMPLICIT

    # A shell may have made this process ignore SIGINT, and builds, which are stopped by it, would
    # inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app = EdgekitApp(artifacts)
    except OSError as error:
        raise EdgekitError(
            f"{error.filename}: the data folder cannot be used ({error.strerror}); "
            "set EDGEKIT_DATA to a folder of yours."
        ) from error
    # Windows, which has no poll, closes the app with its window.
    if hasattr(select, "poll"):
        threading.Thread(target=_end_with_the_terminal, daemon=True).start()
    try:
        app.run()
    finally:
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(IMPLICIT)
            sys.stderr.flush()
    return app.return_code or 0


def _end_with_the_terminal() -> None:
    """Ends the process when its terminal goes, even where nobody sends it a signal: Textual would
    read the end of its input over and over."""
    terminal = select.poll()
    # A hang-up is always reported.
    terminal.register(sys.stdin.fileno(), 0)
    # Where a system cannot watch terminals, poll says so at once.
    if any(event & select.POLLHUP for _, event in terminal.poll()):
        os.kill(os.getpid(), signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="edgekit-tui", description="Use artifacts in a terminal, offline."
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv).artifacts)
    except EdgekitError as error:
        sys.stderr.write(f"edgekit-tui: {error}\n")
        return 1


def run_and_exit() -> NoReturn:
    """The entry point of the installed command."""
    sys.exit(main())


if __name__ == "__main__":
    run_and_exit()

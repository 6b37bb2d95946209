"""What options accept, checked by argparse: wrong usage is reported before anything is imported."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.output import messages
from edgekit.cli.terminal import printable

if TYPE_CHECKING:
    from edgekit.data.reading import Reading


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not 1 or more")
    return int(text)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How a table is read, where what is found out from the file is wrong."""
    parser.add_argument(
        "--encoding", metavar="NAME", help="of a text file, such as windows-1252 (default: told "
        "from the file)",
    )  # fmt: skip
    parser.add_argument(
        "--sheet", metavar="NAME", help="of a workbook (default: the first with rows)"
    )
    parser.add_argument(
        "--header", type=count, metavar="N", help="the line that names the columns (default: the "
        "first below a title)",
    )  # fmt: skip


def reading_of(settings: argparse.Namespace, file: Path) -> Reading:
    """What these arguments say of the file; prints what was guessed of it."""
    from edgekit.data.reading import Reading  # what reads files: not for `--help`
    from edgekit.data.records import form_of

    found = Reading(encoding=settings.encoding, sheet=settings.sheet, header=settings.header)
    for note in form_of(file, found).notes():
        messages().print(
            printable(f"{file}: {note}; --encoding, --sheet and --header overrule.", most=500),
            soft_wrap=True,
        )
    return found

"""`edgekit translate`: a text or a file of any length in another language, line by line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from edgekit.cli import DONE, INTERRUPTED
from edgekit.cli.output import messages, print_json
from edgekit.cli.terminal import Shown, printable
from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    from edgekit.tasks.translation.translated import Told, Translation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="a translator's folder")
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to translate; else stdin")
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="what to read: txt, md, html, pdf, docx or epub"
    )
    parser.add_argument("--to", metavar="LANGUAGE", help="such as fr, if it knows several")
    parser.add_argument(
        "--from",
        dest="from_",
        metavar="LANGUAGE",
        help="of the text (default: told from it, where the model knows several)",
    )
    parser.add_argument("--encoding", metavar="NAME", help="of a text file (default: told from it)")
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(settings: argparse.Namespace) -> int:
    # The engine, and what reads files: not for `--help`.
    import edgekit
    from edgekit.data import documents

    if settings.text is not None and settings.file is not None:
        raise EdgekitError("Give a text or --file, not both.")
    if settings.file is not None:
        text = documents.read(settings.file, encoding=settings.encoding).text
    else:
        text = sys.stdin.read() if settings.text is None else settings.text
    seen: list[Told] = []
    try:
        with (
            edgekit.load(settings.artifact, threads=settings.threads) as model,
            _progress(seen) as told,
        ):
            found = model.translate(text, to=settings.to, from_=settings.from_, on_told=told)
    except KeyboardInterrupt:
        _show_stopped(seen)
        return INTERRUPTED
    if settings.json:
        print_json(found.as_json())
    else:
        _show(found)
    return DONE


@contextmanager
def _progress(seen: list[Told]) -> Iterator[Callable[[Told], None]]:
    """Sentences on stderr, with the time left; what is told is kept in `seen`."""
    with Progress(*Progress.get_default_columns(), console=messages(), transient=True) as bars:
        bar = bars.add_task("translating", total=None)

        def told(now: Told) -> None:
            seen.append(now)
            title = f"{now.parts_read:,} of {now.parts:,} sentences"
            bars.update(bar, description=title, completed=now.parts_read, total=now.parts)

        yield told


def _show(found: Translation) -> None:
    shown = Shown(sys.stdout)
    shown.add(found.text)
    shown.finish()
    for warning in found.warnings:
        messages().print(printable(warning, most=500), soft_wrap=True)


def _show_stopped(seen: Sequence[Told]) -> None:
    """What there was when Ctrl-C came."""
    shown = Shown(sys.stdout)
    for one in seen:
        shown.add(one.piece)
    shown.finish()
    if seen:
        done, parts = seen[-1].parts_read, seen[-1].parts
        messages().print(f"\nIt was stopped after {done:,} of {parts:,} sentences.")

"""`edgekit summarize`: a summary of a file of any length, and how much of it was read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from edgekit.cli import DONE, INTERRUPTED
from edgekit.cli.output import language_title, messages, print_json
from edgekit.cli.terminal import Shown, printable

if TYPE_CHECKING:
    from edgekit.data.documents import Document
    from edgekit.model import Model
    from edgekit.tasks.summarization.stream import SummaryStream
    from edgekit.tasks.summarization.summary import Summary, Told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact", type=Path, metavar="ARTIFACT", help="a summarizer's folder, or a chat model's"
    )
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="what to read: txt, md, html, pdf, docx or epub; - reads text from stdin",
    )
    parser.add_argument(
        "--words", type=int, metavar="N", help="of the summary (default: the artifact's own, 120)"
    )
    parser.add_argument(
        "--fast",
        type=Path,
        metavar="EMBEDDER",
        help="an extractive summarizer's folder: it reads all, and the other what matters of it",
    )
    parser.add_argument(
        "--encoding", metavar="NAME", help="of a text file, such as windows-1252 (default: told "
        "from the file)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(settings: argparse.Namespace) -> int:
    # The engine, and what reads files: not for `--help`.
    import edgekit
    from edgekit.data import documents
    from edgekit.system import paths
    from edgekit.system.digest import sha256_json

    if str(settings.file) == "-":
        document = documents.from_text(sys.stdin.read())
    else:
        with _pages_read() as on_page:
            document = documents.read(settings.file, encoding=settings.encoding, on_page=on_page)
    with edgekit.load(settings.artifact, threads=settings.threads) as model:
        # So that the same command resumes where a killed one stopped.
        name = sha256_json([model.manifest.digest, document.text, settings.words])
        kept = paths.summaries_dir() / f"{name}.json"
        with _progress() as told, _embedder(settings.fast) as embedder:
            stream = model.summarize(
                document.text,
                words=settings.words,
                effort="fast" if embedder else "default",
                embedder=embedder,
                stream=True,
                kept=kept,
                on_told=told,
            )
            found = _summary(stream)
    if settings.json:
        print_json({**found.as_json(), "pages": _pages(document, found)})
    else:
        _show(found, document)
    return INTERRUPTED if found.cancelled else DONE


def _summary(stream: SummaryStream) -> Summary:
    """The whole summary; where Ctrl-C stops it, one of what was read until then."""
    try:
        return stream.summary()
    except KeyboardInterrupt:
        stream.cancel()
        return stream.summary()


@contextmanager
def _embedder(folder: Path | None) -> Iterator[Model | None]:
    if folder is None:
        yield None
        return
    import edgekit

    with edgekit.load(folder) as model:
        yield model


@contextmanager
def _progress() -> Iterator[Callable[[Told], None]]:
    """Parts on stderr, with the time left; how long joining their notes will take is not known."""
    with Progress(*Progress.get_default_columns(), console=messages(), transient=True) as bars:
        bar = bars.add_task("reading", total=None)
        joining = bars.add_task("joining the notes on them", total=None, visible=False)

        def told(now: Told) -> None:
            title = f"{now.parts_read:,} of {now.parts:,} parts read"
            bars.update(bar, description=title, completed=now.parts_read, total=now.parts)
            bars.update(joining, visible=1 < now.parts == now.parts_read)

        yield told


@contextmanager
def _pages_read() -> Iterator[Callable[[int, int], None]]:
    """Pages of a PDF on stderr: some have thousands."""
    with Progress(*Progress.get_default_columns(), console=messages(), transient=True) as bars:
        bar = bars.add_task("reading pages", total=None, visible=False)

        def told(read: int, pages: int) -> None:
            title = f"{read:,} of {pages:,} pages opened"
            bars.update(bar, description=title, completed=read, total=pages, visible=True)

        yield told


def _pages(document: Document, found: Summary) -> list[int | None]:
    """The page of each sentence; null where it is not in the file, or there are no pages."""
    return [
        None if sentence.start is None else document.page(sentence.start)
        for sentence in found.sentences
    ]


def _show(found: Summary, document: Document) -> None:
    shown = Shown(sys.stdout)
    shown.add(found.text)
    shown.finish()
    said = messages()
    language = "" if found.language is None else f", {language_title(found.language)}"
    said.print(f"\n{found.parts_read:,} of {found.parts:,} parts read{language}; {found.engine}.")
    pages = sorted({page for page in _pages(document, found) if page is not None})
    if pages:
        said.print(f"From the pages {', '.join(map(str, pages))}.")
    if found.cancelled:
        said.print("It was stopped; this is what was read until then.")
    if found.flagged:
        names = ", ".join(printable(one) for one in found.flagged)
        said.print(f"Not in the text, so check: {names}.", soft_wrap=True)
    for warning in (*document.warnings, *found.warnings):
        said.print(printable(warning, most=500), soft_wrap=True)

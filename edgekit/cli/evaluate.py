"""`edgekit evaluate`: quality by language and label, alone or against the teacher."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from edgekit.cli import EXIT_CODES
from edgekit.cli.arguments import add_reading, reading_of
from edgekit.cli.output import messages, print_json, print_section
from edgekit.cli.terminal import printable
from edgekit.tables import task, task_part
from edgekit.tasks import quality

if TYPE_CHECKING:
    from edgekit.artifact.manifest import Manifest
    from edgekit.data.reading import Reading
    from edgekit.data.rows import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="a table (CSV, xlsx, ods, JSONL, Parquet) with the columns text (and "
        "text_pair), label or labels (chat: text or messages; summarization: text, summary) and, "
        "optional, language and group",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKPOINT",
        help="the teacher: compares with it and gives the verdict that the recipe asks for",
    )
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(settings: argparse.Namespace) -> int:
    # numpy, hashing and the engines: not for `--help`.
    from edgekit.artifact import folder as artifacts
    from edgekit.errors import MissingExtra

    found = artifacts.read(settings.artifact)
    manifest = found.manifest
    try:
        proof = task_part(manifest.task, "proof.evaluate")  # torch, or llama.cpp's tools
    except ModuleNotFoundError as error:
        extra = "compress,gguf" if manifest.model.format == "gguf" else "compress"
        raise MissingExtra(str(error.name), extra) from error
    rows = _read(settings.data, manifest, reading_of(settings, settings.data))
    result = proof.evaluate(found, rows, against=settings.against, progress=progress)
    if settings.json:
        print_json(result)
    else:
        show(manifest, result)
    return EXIT_CODES[result.get("verdict")]


def show(manifest: Manifest, result: Mapping[str, Any]) -> None:
    """Prints all findings, for people."""
    found = quality.read(manifest.task, result)
    if found is None:
        return
    print(f"{manifest.name}:")
    for line in found.lines():
        print(printable(line, most=1000))
    for section in found.sections:
        print_section(section)
    if found.why:
        print(f"\n{found.verdict or 'No verdict'}: {printable(found.why, most=1000)}")


def _read(path: Path, manifest: Manifest, reading: Reading) -> list[Row]:
    """The rows, with the recipe's slices for which the file has columns."""
    from edgekit.data.rows import stream_records, told_language

    wanted = manifest.recipe.get("data", {}).get("slices", [])
    columns = next(iter(stream_records(path, reading=reading)))
    for name in wanted:
        if name not in columns:
            messages().print(f"{path} has no column '{name}', so nothing is judged by it.")
    read_rows = task(manifest.task).read_rows
    slices = tuple(name for name in wanted if name in columns)
    rows = read_rows(path, slices=slices, reading=reading)
    return told_language(rows, manifest.languages)


@contextmanager
def progress(*names: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr for each of the names; yields the function to report progress with."""
    with Progress(console=messages(), transient=True) as bars:
        tasks = {name: bars.add_task(name, total=1.0) for name in names}

        def told(name: str, fraction: float) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0)
            bars.update(tasks[name], completed=fraction)

        yield told

"""How commands speak: results on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from edgekit.cli.terminal import printable
from edgekit.tasks.quality import LANGUAGE, Section
from edgekit.wording.language_names import language_name

MOST_NAME = 24


def print_json(value: Any) -> None:
    """One JSON value on stdout, on a line of its own, as a command's last output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_event(event: dict[str, Any]) -> None:
    """One JSON line on stderr, for programs that follow a build."""
    sys.stderr.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stderr.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; every column after the first is aligned right."""
    if title:
        print(title)
    table, rows = Table(box=None, pad_edge=False), list(rows)
    # In a narrow terminal the figures' headings break before the names do.
    names = min(MOST_NAME, max((len(row[0]) for row in rows), default=0))
    table.add_column(columns[0], overflow="fold", min_width=names)
    for column in columns[1:]:
        table.add_column(column, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)


def print_section(section: Section) -> None:
    """Findings about parts of the data: the title, a table where there are figures, the notes."""
    name_of = language_title if section.head == LANGUAGE else clean
    title = f"{section.title} ({section.caption})" if section.caption else section.title
    print(f"\n{printable(title, most=1000)}")
    sys.stdout.flush()
    if section.parts:
        print_table(
            "",
            ["", *(clean(measure.name) for measure in section.measures)],
            [
                [
                    name_of(name),
                    *(m.text(one) for m, one in zip(section.measures, figures, strict=True)),
                ]
                for name, figures in section.parts.items()
            ],
        )
    for note in section.notes:
        print(printable(note, most=1000))


def messages() -> Console:
    """Where messages and progress go: stderr, no markup, so that foreign text cannot style it."""
    return Console(stderr=True, markup=False, highlight=False)


def language_title(code: str) -> str:
    """`fr` -> 'fr French'."""
    name = language_name(code)
    return clean(code if name == code else f"{code} {name}")


def clean(text: str) -> str:
    """Names in a data file must not steer the terminal."""
    return text if text.isprintable() else ascii(text)

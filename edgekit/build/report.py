"""The page that a person reads after a build: one HTML file without scripts or network access.

Takes the measurements and puts them in plain words; measures and decides nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from edgekit.artifact.manifest import PAIRS
from edgekit.system import machine
from edgekit.tables import TASKS, task_part
from edgekit.tasks import quality
from edgekit.tasks.quality import LANGUAGE, LARGE, Quality, Section
from edgekit.wording.language_names import language_name
from edgekit.wording.units import human_bytes, human_seconds, or_dash

HERE = Path(__file__).parent
SHOWN_FLIPS = 100
SHOWN_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class ReportedOutput:
    """One artifact and what is known about it."""

    manifest: Mapping[str, Any]
    """The manifest as written; its `quality` is from the task's quality.judge, or empty."""
    flips: Sequence[Mapping[str, str]] = ()
    """The result of quality.flip_rows for a classifier."""
    missed: Sequence[str] = ()
    """A sentence for each of the recipe's targets that is missed."""
    latency: Mapping[str, float] | None = None
    """`p50_ms`, `p95_ms` and `texts`: one text at a time on the building machine."""
    bench: Mapping[str, Any] | None = None
    """What `bench --json` prints, if it was run."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """What else the task measured on the building machine."""


@dataclass(frozen=True, slots=True)
class Reported:
    """One build."""

    name: str
    outputs: Sequence[ReportedOutput]
    teacher_bytes: int
    """Size of the teacher's weights in fp32."""
    work: Sequence[Mapping[str, Any]]
    """`step`, `estimated` and `took` ({seconds, peak_bytes}), `reused` for each piece of work."""
    seconds: float
    peak_rss_bytes: int
    smoke: bool = False
    """A trial run, whose quality means nothing."""


def write(path: Path, reported: Reported) -> None:
    """Writes the page, replacing an earlier one atomically."""
    machine.write_safely(path, render(reported).encode("utf-8"))


def render(reported: Reported) -> str:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.FileSystemLoader(HERE),
                jinja2.PrefixLoader(
                    {name: jinja2.PackageLoader(of, "proof") for name, of in TASKS.items()}
                ),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        bytes=human_bytes,
        or_dash=or_dash,
        seconds=human_seconds,
        percent=_percent,
        language=language_name,
        shown=_shown,
        words=_words,
        pairs=_pairs,
        table=_table,
    )
    template = environment.get_template("report.html.j2")
    return template.render(
        reported=reported,
        model_bytes=_model_bytes,
        proven=_proven,
        read_quality=quality.read,
        reads=_reads,
        headline=_headline,
        shown_flips=SHOWN_FLIPS,
    )


def _reads(output: ReportedOutput) -> str:
    reads = task_part(output.manifest["task"], "quality").READS
    model = output.manifest["model"]
    pairs = PAIRS if "pairs" in model else ""
    return pairs + str(reads.format(max_tokens=f"{model['max_tokens']:,}"))


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    cells: Sequence[str]
    bars: Sequence[float | None]
    """Bars for the small and the large model; empty where the table has no room for them."""


def _table(section: Section) -> list[_Row]:
    """A section's rows as texts, by name."""
    measures = section.measures
    drawn = 0
    if measures[0].is_share and len(measures) <= 5:
        drawn = 1 + (measures[1].name == LARGE)
    rows = [
        _Row(
            language_name(name) if section.head == LANGUAGE else name,
            [one.text(figure) for one, figure in zip(measures, figures, strict=True)],
            figures[:drawn],
        )
        for name, figures in section.parts.items()
    ]
    return sorted(rows, key=lambda row: (row.name == quality.ALL, row.name))


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _pairs(values: Mapping[str, Any]) -> str:
    """{'layers': 4, 'kept': {'heads': 6}} -> 'layers 4 · kept (heads 6)'."""
    return " · ".join(f"{_words(key)} {_words(value)}" for key, value in values.items())


def _words(value: Any) -> str:
    """`trim_vocab` -> 'trim vocab', 1000 -> '1,000'; nested values go in parentheses."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_words(key)} {_words(part)}" for key, part in value.items())
        return f"({inner})"
    if isinstance(value, list | tuple):
        return " ".join(_words(part) for part in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).replace("_", " ")


def _proven(proof: Mapping[str, Any]) -> tuple[list[str], dict[str, list[str]]]:
    """What a step proved by language, as a table: its columns, and each language's cells."""
    rows = {name: _flat(found) for name, found in proof.get("by_language", {}).items()}
    columns = list(dict.fromkeys(column for found in rows.values() for column in found))
    return columns, {
        name: [found.get(column, "") for column in columns] for name, found in rows.items()
    }


def _flat(found: Mapping[str, Any]) -> dict[str, str]:
    """{'unknown': {'before': 0, 'after': 1}} -> {'unknown, before': '0', 'unknown, after': '1'}."""
    cells = {}
    for key, value in found.items():
        inner = _flat(value) if isinstance(value, Mapping) else {"": _words(value)}
        for name, cell in inner.items():
            cells[f"{_words(key)}, {name}" if name else _words(key)] = cell
    return cells


def _shown(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """A text fit to be shown: cut if long, with a mark; unprintable characters as U+FFFD."""
    seen = "".join(
        mark if mark in "\n\t" or unicodedata.category(mark) not in ("Cc", "Cs") else "\ufffd"
        for mark in text[:most]
    )
    return seen if len(text) <= most else f"{seen}… ({len(text):,} characters)"


def _model_bytes(manifest: Mapping[str, Any]) -> int:
    names = set(manifest["model"]["files"])
    return sum(entry["size_bytes"] for entry in manifest["files"] if entry["path"] in names)


def _headline(output: ReportedOutput, found: Quality | None, *, smoke: bool) -> tuple[str, str]:
    """The verdict's style and its sentence, for whoever has to decide."""
    verdict = None if found is None else found.verdict
    if smoke:
        return "none", "This was a trial run on a few rows; its quality means nothing."
    if output.missed and verdict != "FAIL":
        return "fail", "Do not rely on it yet: it misses a target that was set for it."
    if verdict == "PASS":
        return "pass", "The small model can stand in for the large one."
    if verdict == "FAIL":
        return "fail", "The small model should not stand in for the large one: too much is lost."
    if verdict == "INCONCLUSIVE":
        return "unsure", "There are too few test texts to tell whether the small model will do."
    if found is None:
        return "none", "It was not judged: the recipe names no test set."
    return "none", "It was judged, but the recipe asks for nothing that must hold."

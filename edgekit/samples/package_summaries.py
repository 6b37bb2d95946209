"""The sample `package-summaries`: what Debian's packages are, at length and in a line.

Decides which descriptions there are and in which set; descriptions.py fetches and reads them.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgekit.errors import SampleError
from edgekit.samples import Progress, descriptions, folder, jsonl_sets, readmes, summarizer_model
from edgekit.samples.descriptions import ENGLISH, Description

NAME = "package-summaries"
VERSION = 3
SEED = 7
LANGUAGES = ("da", "de", "en", "es", "fr", "it", "pl", "pt-BR", "ru", "sk", "uk")
LEAST_LANGUAGES = 8
RECIPES = {"recipe.yaml": NAME, "small.yaml": f"{NAME}-small"}
"""The files in the sample's folder, and the shipped recipe that each copies."""

TRAIN, VALIDATION, TEST = "train", "validation", "test"
LENGTHS = range(200, 601)
"""Characters of a description: shorter ones need no summary, longer ones take long to learn."""
SHORTEST_SUMMARY = 12
ALIKE = 120
"""Descriptions with this many equal characters at the start are of one package in several files."""
# Rows per language at most; 300 tell the share that a language keeps to within 8 %.
MOST = {TEST: 300, VALIDATION: 40, TRAIN: 3000}
LEAST_ROWS = 300
"""A language with fewer rows is left out."""


def make(target: Path, *, on_progress: Progress | None = None) -> Path:
    """Fills `target` with `model/`, `data/` and recipes; a complete one is left as it is.

    Raises SampleError where apt cannot fetch the descriptions or `target` holds other files.
    """

    def write(partial: Path, tell: Progress) -> None:
        tell("fetching the descriptions", 0.0)
        with tempfile.TemporaryDirectory(prefix="edgekit-") as private:
            lists = descriptions.fetch(Path(private), LANGUAGES)
            tell("reading the descriptions", 0.3)
            sets = make_sets(descriptions.read(lists))
        _write_data(partial / "data", sets)
        tell("making the model", 0.5)
        learnt = (text for row in sets[TRAIN] for text in (row.long, row.short))
        summarizer_model.make(partial / "model", learnt, seed=SEED)

    return folder.make(
        target, write, sample=NAME, version=VERSION, recipes=RECIPES, on_progress=on_progress
    )


def make_sets(found: Iterable[Description], *, seed: int = SEED) -> dict[str, list[Description]]:
    """The rows of each set. A package is in one set in all languages.

    Raises SampleError where fewer than LEAST_LANGUAGES have enough descriptions.
    """
    rows = _distinct(_translated(list(found)))
    counts = Counter(row.language for row in rows)
    kept = {language for language, count in counts.items() if count >= LEAST_ROWS}
    if len(kept) < LEAST_LANGUAGES:
        raise SampleError(
            f"apt has descriptions in {len(kept)} languages here, and the sample needs "
            f"{LEAST_LANGUAGES}; make it on Debian, whose packages are described in more."
        )
    return _divide([row for row in rows if row.language in kept], seed)


def _translated(rows: Sequence[Description]) -> list[Description]:
    """Those of suitable length that do not just repeat the English ones."""
    english = {(row.package, row.long) for row in rows if row.language == ENGLISH}
    return [
        row
        for row in rows
        if len(row.long) in LENGTHS
        and len(row.short) >= SHORTEST_SUMMARY
        and (row.language == ENGLISH or (row.package, row.long) not in english)
    ]


def _distinct(rows: Sequence[Description]) -> list[Description]:
    """Only the first of the descriptions that begin alike."""
    first: dict[tuple[str, str], Description] = {}
    for row in sorted(rows, key=lambda row: (row.language, row.package)):
        first.setdefault((row.language, " ".join(row.long.casefold().split())[:ALIKE]), row)
    return list(first.values())


def _divide(rows: Sequence[Description], seed: int) -> dict[str, list[Description]]:
    """Packages in random order; each language fills its test set first."""
    by_package: defaultdict[str, list[Description]] = defaultdict(list)
    for row in rows:
        by_package[row.package].append(row)
    packages = sorted(by_package)
    random.Random(seed).shuffle(packages)
    # What few languages have comes late, so that small languages do not run short of tests.
    packages.sort(key=lambda package: -len(by_package[package]))
    sets: dict[str, list[Description]] = {TEST: [], VALIDATION: [], TRAIN: []}
    filled: Counter[tuple[str, str]] = Counter()
    turn = random.Random(f"{seed} sets")
    for package in packages:
        name = turn.choices([TEST, VALIDATION, TRAIN], weights=[0.12, 0.03, 0.85])[0]
        for row in by_package[package]:
            if filled[name, row.language] < MOST[name]:
                filled[name, row.language] += 1
                sets[name].append(row)
    for chosen in sets.values():
        turn.shuffle(chosen)
    return sets


def _write_data(target: Path, sets: Mapping[str, Sequence[Description]]) -> None:
    records = {
        name: [
            {
                "text": row.long,
                "summary": row.short,
                "language": row.language,
                "group": row.package,
            }
            for row in rows
        ]
        for name, rows in sets.items()
    }
    jsonl_sets.write(target, records)
    readme = readmes.text("package-summaries.md").format(
        sizes=jsonl_sets.sizes(records, language="language", what="descriptions"),
        least=LENGTHS[0],
        most=LENGTHS[-1],
        alike=ALIKE,
    )
    (target / "README.md").write_text(readme, encoding="utf-8")

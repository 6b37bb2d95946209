"""The sample `package-translations`: what Debian's packages are, in English and in translations.

Decides which lines and paragraphs there are and in which set; descriptions.py fetches and reads.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import SampleError
from edgekit.samples import Progress, descriptions, folder, jsonl_sets, readmes, translator_model
from edgekit.samples.descriptions import ENGLISH, Description

NAME = "package-translations"
VERSION = 1
SEED = 7
TARGETS = {"de": ">>deu<<", "fr": ">>fra<<", "es": ">>spa<<"}
"""The languages, and the pieces that ask for them."""
RECIPES = {"recipe.yaml": NAME, "small.yaml": f"{NAME}-small"}
"""The files in the sample's folder, and the shipped recipe that each copies."""

TRAIN, VALIDATION, TEST = "train", "validation", "test"
LENGTHS = range(15, 301)
"""Characters of a line or paragraph: on both sides."""
RATIO = 2.5
"""The longer side has at most this many times the characters of the shorter."""
ALIKE = 60
"""English texts with this many equal characters at the start are taken for one."""
MOST = {TEST: 500, VALIDATION: 100, TRAIN: 40_000}
"""Rows of a language."""
SHARES = {TEST: 0.12, VALIDATION: 0.03, TRAIN: 0.85}
LEAST_ROWS = 1_000
"""A language with fewer rows is left out."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A line or paragraph, and its translation."""

    source: str
    target: str
    to: str
    package: str


def make(target: Path, *, on_progress: Progress | None = None) -> Path:
    """Fills `target` with `model/`, `data/` and recipes; a complete one is left as it is.

    Raises SampleError where apt cannot fetch the descriptions or `target` holds other files.
    """

    def write(partial: Path, tell: Progress) -> None:
        tell("fetching the descriptions", 0.0)
        with tempfile.TemporaryDirectory(prefix="edgekit-") as private:
            lists = descriptions.fetch(Path(private), (ENGLISH, *TARGETS))
            tell("reading the descriptions", 0.3)
            sets = make_sets(descriptions.read(lists))
        _write_data(partial / "data", sets)
        tell("making the model", 0.5)
        learnt = sets[TRAIN]
        translator_model.make(
            partial / "model",
            dict.fromkeys(pair.source for pair in learnt),
            (pair.target for pair in learnt),
            source=ENGLISH,
            codes=TARGETS,
            seed=SEED,
        )

    return folder.make(
        target, write, sample=NAME, version=VERSION, recipes=RECIPES, on_progress=on_progress
    )


def make_sets(found: Iterable[Description], *, seed: int = SEED) -> dict[str, list[Pair]]:
    """The rows of each set. A package is in one set in all languages, and so is an English text.

    Raises SampleError where a language has too few.
    """
    pairs = list(_distinct(_pairs(list(found))))
    counts = Counter(pair.to for pair in pairs)
    if short := [language for language in TARGETS if counts[language] < LEAST_ROWS]:
        raise SampleError(
            f"apt has {counts[short[0]]:,} translations into '{short[0]}' here, and the sample "
            f"needs {LEAST_ROWS:,}; make it on Debian, whose packages are described in more."
        )
    return _divide(pairs, seed)


def _pairs(rows: Sequence[Description]) -> Iterator[Pair]:
    """Lines beside lines, and paragraphs where both sides have as many."""
    english = {row.package: row for row in rows if row.language == ENGLISH}
    for row in rows:
        there = english.get(row.package)
        if row.language not in TARGETS or there is None:
            continue
        both = [(there.short, row.short)]
        sides = there.long.split("\n"), row.long.split("\n")
        if len(sides[0]) == len(sides[1]):
            both += zip(*sides, strict=True)
        for source, target in both:
            if _are_translations(source, target):
                yield Pair(source, target, row.language, row.package)


def _are_translations(source: str, target: str) -> bool:
    lengths = sorted((len(source), len(target)))
    fit = all(length in LENGTHS for length in lengths) and lengths[1] <= RATIO * lengths[0]
    return fit and source.casefold() != target.casefold()


def _distinct(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Only the first into each language of the texts that begin alike."""
    seen: set[tuple[str, str]] = set()
    for pair in sorted(pairs, key=lambda pair: (pair.to, pair.package, pair.source)):
        key = (pair.to, _beginning(pair.source))
        if key not in seen:
            seen.add(key)
            yield pair


def _beginning(text: str) -> str:
    return " ".join(text.casefold().split())[:ALIKE]


def _divide(pairs: Sequence[Pair], seed: int) -> dict[str, list[Pair]]:
    """Packages in random order, each into one set; what begins like a text of the test set is
    nowhere else, whichever package it is of."""
    by_package: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_package[pair.package].append(pair)
    packages = sorted(by_package)
    turn = random.Random(seed)
    turn.shuffle(packages)
    wanted = {name: turn.choices(list(SHARES), weights=list(SHARES.values()))[0]
              for name in packages}  # fmt: skip
    sets: dict[str, list[Pair]] = {name: [] for name in SHARES}
    taken: dict[str, str] = {}
    filled: Counter[tuple[str, str]] = Counter()
    for name in SHARES:
        for package in (one for one in packages if wanted[one] == name):
            for pair in by_package[package]:
                beginning = _beginning(pair.source)
                free = taken.setdefault(beginning, name) == name
                if free and filled[name, pair.to] < MOST[name]:
                    filled[name, pair.to] += 1
                    sets[name].append(pair)
    for chosen in sets.values():
        turn.shuffle(chosen)
    return sets


def _write_data(target: Path, sets: Mapping[str, Sequence[Pair]]) -> None:
    records = {
        name: [
            {
                "source": pair.source,
                "target": pair.target,
                "from": ENGLISH,
                "to": pair.to,
                "group": pair.package,
            }
            for pair in pairs
        ]
        for name, pairs in sets.items()
    }
    jsonl_sets.write(target, records)
    readme = readmes.text("package-translations.md").format(
        sizes=jsonl_sets.sizes(records, language="to", what="texts"),
        least=LENGTHS[0],
        most=LENGTHS[-1],
        alike=ALIKE,
    )
    (target / "README.md").write_text(readme, encoding="utf-8")

"""Reads the rows that a recipe names and checks that they can train and judge. Knows no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.data.rows import (
    Row,
    check_pairs,
    read_inputs,
    read_questions,
    told_language,
)
from edgekit.errors import DataError
from edgekit.recipe import labels as written_labels
from edgekit.recipe.recipe import BoundRecipe
from edgekit.system.digest import sha256_file, sha256_json
from edgekit.tables import task
from edgekit.wording.suggestions import did_you_mean

_Files = Mapping[str, Mapping[str, Sequence[Row]]]
"""By set and by file, the rows."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of a recipe, and the digests of the files that they were read from."""

    labels: tuple[str, ...]
    """Empty for a task whose rows have no labels."""
    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    test: tuple[Row, ...]
    unlabeled: tuple[Input, ...]
    """Pairs, where the rows are pairs."""
    digests: Mapping[str, str]
    choices: tuple[Row, ...] = ()
    """Questions that judge a chat model, besides the test set."""
    several: bool = False
    """Whether a text may have several of the labels, or none."""
    pairs: bool = False
    """Whether each row is a pair of texts."""

    def without_test(self) -> Dataset:
        """What a step may see: the rows that judge must not influence what they judge."""
        judging = ("test", "choices")
        digests = {name: digest for name, digest in self.digests.items() if name not in judging}
        return replace(self, test=(), choices=(), digests=digests)


def read(bound: BoundRecipe, *, labels: tuple[str, ...] | None, several: bool = False) -> Dataset:
    """Reads all rows. `labels` are the checkpoint's, None if it has no head yet, and `several` says
    whether it gives a text several of them.

    Raises DataError for missing files or columns, labels that the checkpoint lacks, and test texts
    that are also in the training or validation set.
    """
    files: _Files = {
        name: _read_set(bound, name, getattr(bound.recipe.data, name))
        for name in ("train", "validation", "test", "choices")
    }
    sets = {name: tuple(chain.from_iterable(own.values())) for name, own in files.items()}
    known = (
        tuple(sorted({label for row in sets["train"] for label in row.all_labels}))
        if labels is None
        else labels
    )
    if labels is None:
        several = any(row.labels is not None for row in sets["train"])
    _check_written(bound, files, known=labels or ())
    for name in ("train", "validation", "test"):
        rows = sets[name]
        _check_labels(bound.place("data", name), name, rows, known)
        _check_kind(bound.place("data", name), name, rows, several=several)
    pairs = check_pairs([*sets["train"], *sets["validation"], *sets["test"]])
    unlabeled_files = _unlabeled_files(bound)
    unlabeled = tuple(read_inputs(unlabeled_files, pairs=pairs))
    texts = {name: [row.input for row in rows] for name, rows in sets.items()}
    for judging in ("test", "choices"):
        place = bound.place("data", judging)
        _refuse_shared_texts(place, judging, {**texts, "unlabeled": list(unlabeled)})
    return Dataset(
        labels=known,
        train=sets["train"],
        validation=sets["validation"],
        test=sets["test"],
        choices=sets["choices"],
        unlabeled=unlabeled,
        several=several,
        pairs=pairs,
        digests={
            name: sha256_json([sha256_file(path) for path in files])
            for name, files in {
                **{
                    name: [bound.resolve(path) for path in getattr(bound.recipe.data, name) or ()]
                    for name in sets
                },
                "unlabeled": unlabeled_files,
            }.items()
            if files
        },
    )


def few(dataset: Dataset, *, rows: int) -> Dataset:
    """A small part of each set, with labels and languages in turn, for a trial run."""
    return replace(
        dataset,
        train=_spread(dataset.train, rows),
        validation=_spread(dataset.validation, rows),
        test=_spread(dataset.test, rows),
        choices=_spread(dataset.choices, rows),
        unlabeled=dataset.unlabeled[:rows],
        digests={**dataset.digests, "rows": str(rows)},
    )


def _read_set(bound: BoundRecipe, name: str, files: Sequence[str] | None) -> dict[str, list[Row]]:
    """The rows of each file."""
    found: dict[str, list[Row]] = {}
    for file in files or ():
        path = bound.resolve(file)
        if not path.is_file():
            beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
            raise DataError(
                f"{bound.place('data', name)}: data.{name} names {file}, which does not exist."
                f"{did_you_mean(path.name, beside) if beside else ' Paths are relative to it.'}"
            )
        if name == "choices":
            rows = read_questions(path)
        else:
            rows = task(bound.recipe.task).read_rows(path, slices=tuple(bound.recipe.data.slices))
        found.setdefault(file, []).extend(told_language(rows, bound.recipe.languages))
    return found


def _check_written(bound: BoundRecipe, files: _Files, *, known: Sequence[str]) -> None:
    """The labels themselves, before anything compares them with the model's."""
    counts = {
        file: Counter(label for row in rows for label in row.all_labels)
        for name in ("train", "validation", "test")
        for file, rows in files[name].items()
    }
    written_labels.check_alike(bound.place("data"), counts, known)
    rows = chain.from_iterable(files["train"].values())
    trained = Counter(row.label for row in rows if row.label is not None)
    written_labels.check_classes(bound.place("data", "train"), "train", trained)


def _check_labels(place: str, name: str, rows: Sequence[Row], known: Sequence[str]) -> None:
    labels = (label for row in rows for label in row.all_labels)
    strange = Counter(label for label in labels if label not in known)
    if strange:
        label, count = strange.most_common(1)[0]
        raise DataError(
            f"{place}: {count} rows of data.{name} carry the label '{label}', which the model does "
            f"not know.{did_you_mean(label, known)}"
        )


def _check_kind(place: str, name: str, rows: Sequence[Row], *, several: bool) -> None:
    """All rows have one label, or all have a set of them."""
    sets = {
        row.labels is not None for row in rows if row.label is not None or row.labels is not None
    }
    if sets <= {several}:
        return
    given = "several labels or none" if several else "one label"
    wanted, found = ("labels", "label") if several else ("label", "labels")
    raise DataError(
        f"{place}: rows of data.{name} have the column '{found}', and the model gives a text "
        f"{given}; name the column '{wanted}', or take a model of the other kind."
    )


def _unlabeled_files(bound: BoundRecipe) -> list[Path]:
    """The files that data.unlabeled names, in a fixed order; each pattern must match one."""
    files: list[Path] = []
    for pattern in bound.recipe.data.unlabeled or ():
        whole = bound.resolve(pattern)
        found = sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
        if not found:
            raise DataError(
                f"{bound.place('data', 'unlabeled')}: no file is called {pattern}; paths are "
                "relative to the recipe."
            )
        files += found
    return files


def _refuse_shared_texts(place: str, judging: str, texts: Mapping[str, Sequence[Input]]) -> None:
    """A text that was seen in training proves nothing as a test."""
    for name in ("train", "validation", "unlabeled"):
        seen = {folded_input(text) for text in texts[name]}
        shared = [inputs.shown(one) for one in texts[judging] if folded_input(one) in seen]
        if shared:
            example = shared[0] if len(shared[0]) <= 60 else shared[0][:60] + "…"
            raise DataError(
                f"{place}: {len(shared)} texts of data.{judging} are also in data.{name} (such as "
                f"'{example}'); remove them from one of the two, or the proof is worth nothing."
            )


def folded(text: str) -> str:
    return " ".join(text.casefold().split())


def folded_input(given: Input) -> tuple[str, ...]:
    """The same of one text or of both."""
    return tuple(map(folded, inputs.texts(given)))


def _spread(rows: Sequence[Row], count: int) -> tuple[Row, ...]:
    """Takes rows from every (language, label) in turn, in a fixed order."""
    piles: dict[tuple[str | None, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        piles.setdefault((row.language, row.all_labels), []).append(row)
    depth = max((len(pile) for pile in piles.values()), default=0)
    order = [pile[level] for level in range(depth) for pile in piles.values() if level < len(pile)]
    return tuple(order[:count])

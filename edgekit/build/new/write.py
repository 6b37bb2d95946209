"""Looks at a checkpoint and at rows, and writes a recipe that can be planned at once."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.build import plan
from edgekit.build.new import rows, sets, suited, text
from edgekit.build.new.rows import Found
from edgekit.build.new.sets import TRAIN
from edgekit.checkpoint.describe import Description, describe
from edgekit.data import corrected, sheets
from edgekit.data.record_writer import RecordWriter, partial_of
from edgekit.data.records import Record, stream_records
from edgekit.errors import DataError, RecipeError
from edgekit.recipe import recipe
from edgekit.recipe.recipe import BoundRecipe
from edgekit.tables import task
from edgekit.wording import directions

FINETUNE = "finetune"
TEACH_HEAD = (
    "  # But first: the checkpoint has no head yet, and the rows teach it one.",
    f"  - {FINETUNE}: {{epochs: 3}}",
)


@dataclass(frozen=True, slots=True)
class Started:
    """A recipe that was written, and sentences on how it was made."""

    path: Path
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts from which a recipe is made."""

    folder: Path
    model: Path
    description: Description
    base: BoundRecipe
    found: Found
    languages: Sequence[str]
    texts: Sequence[Path]
    """Files for data.unlabeled."""
    written: Mapping[str, Path]
    """Where the rows of sets that have no file are written."""

    def values(self) -> dict[str, Any]:
        """The recipe's keys that differ from the shipped ones."""
        data = {
            name: [
                self._place(path) for path in self.found.sets[name].files or [self.written[name]]
            ]
            for name in sets.WORDS
        }
        if self.texts:
            data["unlabeled"] = [glob.escape(self._place(path)) for path in self.texts]
        slug = re.sub(r"[^a-z0-9]+", "-", self.folder.absolute().name.lower()).strip("-")[:60]
        window, asked = self.description.max_tokens, self.base.recipe.max_tokens
        return {
            "name": slug or self.base.recipe.name,
            "languages": _said(self.languages),
            "model": self._place(self.model),
            **({"max_tokens": window} if asked is not None and asked > window else {}),
            "data": {name: one if len(one) > 1 else one[0] for name, one in data.items()},
        }

    def _place(self, path: Path) -> str:
        """Relative to the recipe, which may move together with what lies near it."""
        whole, start = (one.resolve() for one in (path, self.folder))
        near = whole.parts[:2] == start.parts[:2]
        return (Path(os.path.relpath(whole, start)) if near else whole).as_posix()


def start(
    folder: Path, *, model: Path, files: Sequence[Path], name: str | None = None, device: str
) -> Started:
    """Writes `folder/recipe.yaml`, and into `folder/data` the rows that no file has in this form.

    `name` is a shipped recipe's; the best suited unless given. Raises EdgekitError, and leaves
    nothing behind, where the recipe could not be planned.
    """
    path = folder / "recipe.yaml"
    description = describe(model)
    tables, texts = sets.by_name(files)
    first = tables[TRAIN][0]
    columns = list(next(iter(stream_records(first))))
    chosen, base = suited.choose(description, columns, name=name, table=first)
    asked = task(base.recipe.task)
    found = rows.read(tables, asked.read_rows, seed=base.recipe.seed, directed=asked.directed)
    if chosen.columns == suited.LABELLED:
        _check_labels(found, first)
    trains = any(step.name == FINETUNE for step in base.steps)
    headless = chosen.columns == suited.LABELLED and description.labels is None and not trains
    read = any(entry.settings.reads_unlabeled for entry in (*base.steps, *base.outputs))
    parts = _Parts(
        folder=folder,
        model=model,
        description=description,
        base=base,
        found=found,
        languages=found.listed(trained=trains or headless),
        texts=texts if read else (),
        written={
            one: folder / "data" / f"{one}{_written_suffix(first)}"
            for one in found.sets
            if not found.sets[one].files
        },
    )
    notes = _notes(parts, texts, why=None if name else chosen.why)
    shipped = base.path.read_text(encoding="utf-8")
    filled = text.fill(shipped, parts.values(), about=notes, steps=TEACH_HEAD if headless else ())
    with _all_or_nothing(folder, (path, *parts.written.values())):
        for one, file in parts.written.items():
            _write(file, found.sets[one].records)
        path.write_text(filled, encoding="utf-8")
        try:
            planned = plan.make(recipe.read(path), device=device)
        except RecipeError as error:
            if (better := suited.best(description, columns).recipe) == base.path.stem:
                raise
            kind = f"a {description.model_type} model"
            raise RecipeError(f"{error} The recipe {better} suits {kind}.") from error
    return Started(path, (*notes, str(planned.why_not() or "It fits this machine.")))


def _said(languages: Sequence[str]) -> list[str] | dict[str, list[str]]:
    """Directions as their languages, where they lead from each into every other."""
    pairs = [pair for name in languages if (pair := directions.split(name)) is not None]
    if not pairs:
        return list(languages)
    sources, targets = ([*dict.fromkeys(side)] for side in zip(*pairs, strict=True))
    whole = {(one, other) for one in sources for other in targets if one != other}
    return {"from": sources, "to": targets} if whole == set(pairs) else list(languages)


def _check_labels(found: Found, table: Path) -> None:
    rows = [row for one in found.sets.values() for row in one.rows]
    labels = sorted({label for row in rows for label in row.all_labels})
    if len(labels) < 2:
        only = f"every row has the label '{labels[0]}'" if labels else "no row has a label"
        raise DataError(f"{table}: {only}; a classifier needs two or more.")


def _notes(parts: _Parts, texts: Sequence[Path], *, why: str | None) -> tuple[str, ...]:
    """Sentences on what was found, and on what was made of it."""
    described, notes = parts.description, []
    labels = f"{len(described.labels)} labels, " if described.labels else ""
    notes.append(f"Recipe: {parts.base.path.stem}{f', chosen because {why}' if why else ''}.")
    notes.append(
        f"Model: {described.model_type}, {described.layers} layers, {labels}"
        f"{described.parameters / 1e6:.1f} million parameters, reads {described.max_tokens:,} "
        "tokens at once."
    )
    notes += parts.found.notes
    if others := sorted(set().union(*parts.found.languages.values()) - set(parts.languages)):
        notes.append(f"Not listed, for want of rows to train or to judge by: {', '.join(others)}.")
    notes += _corrected_notes(parts)
    if texts:
        names = ", ".join(path.name for path in texts)
        unread = "" if parts.texts else ", left out: no step of this recipe reads them"
        notes.append(f"Texts without labels: {names}{unread}.")
    return tuple(notes)


def _corrected_notes(parts: _Parts) -> Iterator[str]:
    """Labels of these that people corrected in the app, and that are not among the rows."""
    rows = [row for one in parts.found.sets.values() for row in one.rows]
    known = {label for row in rows for label in row.all_labels}
    for one in corrected.every():
        waiting = one.besides(rows)
        if waiting and all(row.label in known for row in one.rows):
            yield (
                f"Corrected in the app for '{one.name}', and not among these rows: {waiting:,} "
                f"labels; they are rows for data.train: {one.path}."
            )


@contextmanager
def _all_or_nothing(folder: Path, files: Sequence[Path]) -> Iterator[None]:
    """For writing new files; on failure, they and the folders made for them are removed again."""
    if taken := [path for path in (folder, *files) if path.is_file()]:
        raise RecipeError(f"{taken[0]} exists; name another folder.")
    made = [one for one in {folder, *(path.parent for path in files)} if not one.exists()]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a killed run left may come from other rows.
        partial_of(path).unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        for path in files:
            path.unlink(missing_ok=True)
            partial_of(path).unlink(missing_ok=True)
        for one in sorted(made, reverse=True):
            one.rmdir()
        raise


def _written_suffix(table: Path) -> str:
    """That of the table; CSV for what only people write."""
    suffix = table.suffix.lower()
    return ".csv" if suffix in sheets.SUFFIXES else suffix


def _write(path: Path, records: Sequence[Record]) -> None:
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
        writer.finish()

"""The rows of each set of a new recipe, with their languages. Knows no model and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edgekit.build.new import languages as spoken
from edgekit.build.new.sets import SHARES, TEST, TRAIN, VALIDATION, divide
from edgekit.data import inputs
from edgekit.data.class_labels import named_records
from edgekit.data.records import Record
from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.recipe.recipe import Language
from edgekit.wording import directions

_DOES = {TRAIN: "to train", VALIDATION: "to choose by", TEST: "to judge by"}


@dataclass(frozen=True, slots=True)
class Set:
    """The rows of a set, and where they are."""

    rows: Sequence[Row]
    records: Sequence[Record]
    """What the files contain for each row, further columns included."""
    files: Sequence[Path]
    """Empty where no file has exactly these rows."""


@dataclass(frozen=True, slots=True)
class Found:
    """All sets, and sentences on where they came from."""

    sets: Mapping[str, Set]
    languages: Mapping[str, Counter[str]]
    """By set, how many rows are in each language."""
    notes: tuple[str, ...]

    def listed(self, *, trained: bool) -> tuple[str, ...]:
        """The languages that can be proven; if the model is yet to be trained, only those that it
        is trained on. Raises DataError."""
        tested = set(self.languages[TEST])
        listed = tested & set(self.languages[TRAIN]) if trained else tested
        if not listed:
            raise DataError(
                "No language has rows both to train and to judge by; mend the column 'language'."
            )
        return tuple(sorted(listed))


def read(
    tables: Mapping[str, Sequence[Path]],
    reader: Callable[[Path], list[Row]],
    *,
    seed: int,
    directed: bool = False,
) -> Found:
    """Reads every table; divides the training rows where a set has no table. `directed`: what
    stands for a row's language is a direction. Raises DataError."""
    found = {name: _read(paths, reader) for name, paths in tables.items()}
    found, how = (_with_directions if directed else _with_languages)(found)
    missing = {name: share for name, share in SHARES.items() if name not in found}
    source = ", ".join(path.name for path in tables[TRAIN])
    if missing:
        found |= _divided(found[TRAIN], missing, source=source, seed=seed)
    shown = [f"{len(found[name].rows):,} {does}" for name, does in _DOES.items()]
    groups = any(row.group for row in found[TRAIN].rows)
    divided = f", divided{' by the column group' if groups else ''}" if missing else ""
    files = ", ".join(path.name for paths in tables.values() for path in paths)
    languages = {
        name: Counter(row.language for row in one.rows if row.language)
        for name, one in found.items()
    }
    return Found(found, languages, (f"Rows: {files}{divided}: {', '.join(shown)}.", how))


def _read(paths: Sequence[Path], reader: Callable[[Path], list[Row]]) -> Set:
    return Set(
        rows=[row for path in paths for row in reader(path)],
        records=[record for path in paths for _, record in named_records(path)],
        files=paths,
    )


def _with_languages(found: Mapping[str, Set]) -> tuple[dict[str, Set], str]:
    """The sets with the language of each row, and how it was found."""
    rows = [row for one in found.values() for row in one.rows]
    if any(row.language for row in rows):
        for language in sorted({row.language for row in rows if row.language}):
            _check_code(language)
        return dict(found), "Languages: by the column 'language'."
    codes, told = spoken.tell([" ".join(inputs.texts(row.input)) for row in rows])
    share = sum(language is not None for language in told) / len(told)
    how = f"Languages: told from the texts ({share:.0%} of them); correct them if they are wrong."
    left = iter(told)
    named = {}
    for name, one in found.items():
        here = [next(left) for _ in one.rows]
        named[name] = Set(
            rows=[replace(row, language=said) for row, said in zip(one.rows, here, strict=True)],
            records=[
                {**record, "language": said or ""}
                for record, said in zip(one.records, here, strict=True)
            ],
            # With only one language, rows need not name it.
            files=one.files if len(codes) == 1 else (),
        )
    return named, how


def _with_directions(found: Mapping[str, Set]) -> tuple[dict[str, Set], str]:
    """The sets with the direction of each row, and how it was found."""
    rows = [row for one in found.values() for row in one.rows]
    if any(row.language for row in rows):
        return dict(found), "Languages: by the columns 'from' and 'to'."
    told = [spoken.tell(texts)[0] for texts in (
        [row.text for row in rows], [str(row.summary) for row in rows],
    )]  # fmt: skip
    if any(len(codes) > 1 for codes in told):
        names = " and ".join(sorted({code for codes in told if len(codes) > 1 for code in codes}))
        raise DataError(
            f"These texts seem to be in several languages ({names}); add the columns 'from' and "
            "'to' with codes such as en or pt-BR."
        )
    name = directions.direction(told[0][0], told[1][0])
    return {
        part: replace(one, rows=[replace(row, language=name) for row in one.rows])
        for part, one in found.items()
    }, f"Languages: told from the texts ({name}); correct them if they are wrong."


def _check_code(language: str) -> None:
    try:
        TypeAdapter(Language).validate_python(language)
    except ValidationError:
        raise DataError(
            f"The column 'language' has '{language[:40]}', which is not a code; write codes such "
            "as en or pt-BR."
        ) from None


def _divided(whole: Set, shares: Mapping[str, float], *, source: str, seed: int) -> dict[str, Set]:
    parts = divide(whole.rows, shares, seed=seed)
    if empty := [name for name, numbers in parts.items() if not numbers]:
        raise DataError(
            f"{source}: {len(whole.rows):,} rows are too few to be divided ({empty[0]} would have "
            "none); add rows, or give a file for each set."
        )
    return {
        name: Set([whole.rows[at] for at in numbers], [whole.records[at] for at in numbers], ())
        for name, numbers in parts.items()
    }

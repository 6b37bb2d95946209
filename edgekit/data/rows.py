"""Rows and plain texts, read from files. Knows nothing of models or metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.data import label_sets, turns
from edgekit.data.class_labels import named_records
from edgekit.data.inputs import Input
from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.record_writer import RecordWriter
from edgekit.data.records import READERS, Record, cell, placed_records, read_lines, stream_records
from edgekit.data.refusals import told
from edgekit.errors import DataError
from edgekit.wording import directions
from edgekit.wording.language_codes import normal
from edgekit.wording.suggestions import did_you_mean

__all__ = [
    "Columns",
    "Message",
    "RecordWriter",
    "Row",
    "read_documents",
    "read_pairs",
    "read_questions",
    "read_rows",
    "read_texts",
    "read_translations",
    "stream_records",
]

Message = turns.Turn
"""One turn of a conversation: `role` and `content`."""


TEXT_PAIR = "text_pair"
"""The column in which data sets of pairs keep the second text."""


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    label: str | None = None
    language: str | None = None
    group: str | None = None
    """Rows of one group belong together (one template, one patient); None is a group of its own."""
    slices: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    """A conversation, whose contents are also in `text`, line by line; empty for a plain text."""
    summary: str | None = None
    """The reference that a person wrote: a summary, or a translation."""
    choices: tuple[str, ...] = ()
    """For a question: the possible answers, of which `label` is the right one."""
    labels: tuple[str, ...] | None = None
    """All labels of a text that may have several or none; None where it has one, in `label`."""
    text_pair: str | None = None
    """The second text of a pair, whose first is `text`; None for a row of one text."""

    @classmethod
    def of(cls, given: Input, *, language: str | None = None) -> Row:
        """A row that nobody labelled."""
        text, pair = (given, None) if isinstance(given, str) else given
        return cls(text, language=language, text_pair=pair)

    @property
    def input(self) -> Input:
        """All that a model is given of the row."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Of either kind; empty where there are none."""
        return self.labels or (() if self.label is None else (self.label,))

    place: str = field(default="", compare=False, repr=False)
    """Where it was read from, as `file:line`, for messages; empty for one made otherwise."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a file's columns."""

    text: str = "text"
    label: str = "label"
    summary: str = "summary"
    language: str = "language"
    group: str = "group"
    messages: str = "messages"
    choices: str = "choices"
    text_pair: str = TEXT_PAIR
    source: str = "source"
    target: str = "target"
    origin: str = "from"
    into: str = "to"


def read_rows(
    path: Path,
    *,
    columns: Columns = Columns(),
    slices: Sequence[str] = (),
    reading: Reading = AS_FOUND,
) -> list[Row]:
    """Every row of a labelled file, for training or judging.

    The text and label columns must exist and be filled, or `labels`, which may be empty, instead of
    `label`; language and group may be missing or empty; `slices` are further columns to keep, which
    must exist. With `text_pair` each row is a pair of texts, and then all rows must have it. Raises
    DataError.
    """
    rows: list[Row] = []
    for place, record in named_records(path, reading):
        several = label_sets.has(record, columns.label)
        rows.append(
            Row(
                place=place,
                text=_filled(record, columns.text, place),
                label=None if several else _filled(record, columns.label, place),
                labels=label_sets.read(record, place) if several else None,
                language=_language(record, columns.language, place),
                group=_optional(record, columns.group, place),
                slices=_slices(record, slices, place),
                text_pair=second_text(record, columns.text_pair, place),
            )
        )
    check_pairs(rows)
    return rows


def check_pairs(rows: Sequence[Row]) -> bool:
    """Whether the rows are pairs of texts; DataError for the first that is unlike the first row."""
    paired = bool(rows) and rows[0].text_pair is not None
    odd = next((row for row in rows if (row.text_pair is not None) is not paired), None)
    if odd is not None:
        has, others = ("no second text", "one") if paired else ("a second text", "none")
        raise DataError(
            f"{odd.place}: this row has {has} (column '{TEXT_PAIR}'), and {rows[0].place} has "
            f"{others}; give either all rows a second text or none."
        )
    return paired


def second_text(record: Record, column: str, place: str) -> str | None:
    """The second text of a pair; None for a record without one, and DataError for an empty one."""
    return None if record.get(column) is None else _filled(record, column, place)


def read_documents(
    path: Path,
    *,
    columns: Columns = Columns(),
    slices: Sequence[str] = (),
    reading: Reading = AS_FOUND,
) -> list[Row]:
    """Every row of a file for a language model: a text, or a conversation in `messages`.

    `messages` is a list of {role, content}; in a CSV file it is JSON. ShareGPT's `conversations`
    and Alpaca's `instruction`, `input` and `output` are read too (see data/turns.py). The other
    columns are those of `read_rows`; a label is neither needed nor read. Raises DataError.
    """
    rows = []
    for place, record in named_records(path, reading):
        messages = turns.read(record, columns.messages, place)
        text = "\n".join(turn["content"] for turn in messages)
        rows.append(
            Row(
                place=place,
                text=text if messages else _filled(record, columns.text, place),
                language=_language(record, columns.language, place),
                group=_optional(record, columns.group, place),
                slices=_slices(record, slices, place),
                messages=messages,
            )
        )
    return rows


def read_pairs(
    path: Path,
    *,
    columns: Columns = Columns(),
    slices: Sequence[str] = (),
    reading: Reading = AS_FOUND,
) -> list[Row]:
    """Every row of a file of texts and their summaries; both columns must exist and be filled.

    The other columns are those of `read_rows`; a label is not read. Raises DataError.
    """
    return [
        Row(
            place=place,
            text=_filled(record, columns.text, place),
            summary=_filled(record, columns.summary, place),
            language=_language(record, columns.language, place),
            group=_optional(record, columns.group, place),
            slices=_slices(record, slices, place),
        )
        for place, record in named_records(path, reading)
    ]


def read_translations(
    path: Path,
    *,
    columns: Columns = Columns(),
    slices: Sequence[str] = (),
    reading: Reading = AS_FOUND,
) -> list[Row]:
    """Every row of a file of texts and their translations; both columns must exist and be filled.

    `from` and `to` are their languages, and may be missing where there is only one direction; group
    and `slices` are as in `read_rows`. Raises DataError.
    """
    return [
        Row(
            place=place,
            text=_filled(record, columns.source, place),
            summary=_filled(record, columns.target, place),
            language=_direction(record, columns, place),
            group=_optional(record, columns.group, place),
            slices=_slices(record, slices, place),
        )
        for place, record in named_records(path, reading)
    ]


def _direction(record: Record, columns: Columns, place: str) -> str | None:
    source, target = (_language(record, one, place) for one in (columns.origin, columns.into))
    if (source is None) != (target is None):
        there, missing = (columns.into, columns.origin) if source is None else (
            columns.origin, columns.into
        )  # fmt: skip
        raise DataError(
            f"{place}: column '{there}' is filled and '{missing}' is not; give both languages of a "
            "translation, or neither where there is only one direction."
        )
    return None if source is None or target is None else directions.direction(source, target)


def read_questions(path: Path, *, columns: Columns = Columns()) -> list[Row]:
    """Every row of a file of multiple-choice questions.

    The question is a text or `messages`; `choices` is a list of texts (in a CSV file, JSON) and
    `label` the right one. Without the column `choices`, all labels of the file are the choices.
    Raises DataError.
    """
    found, labels = [], dict[str, None]()
    for row, (place, record) in zip(
        read_documents(path, columns=columns), named_records(path), strict=True
    ):
        label = _filled(record, columns.label, place)
        choices = _choices(record, columns.choices, place)
        if choices and label not in choices:
            hint = did_you_mean(label, choices)
            raise DataError(f"{place}: the label '{label}' is none of the choices.{hint}")
        labels[label] = None
        found.append((place, replace(row, label=label, choices=choices)))
    everything = tuple(sorted(labels))
    rows = [row if row.choices else replace(row, choices=everything) for _, row in found]
    if single := [
        place for (place, _), row in zip(found, rows, strict=True) if len(row.choices) < 2
    ]:
        raise DataError(f"{single[0]}: there is one choice alone; give two or more.")
    return rows


def _choices(record: Record, column: str, place: str) -> tuple[str, ...]:
    value = turns.parsed(record, column, place)
    if value is None:
        return ()
    texts = isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)
    if not texts or len(set(value)) != len(value):
        raise DataError(
            f"{place}: column '{column}' must be a list of different texts such as "
            '["yes", "no"]; mend it.'
        )
    return tuple(value)


def read_texts(paths: Iterable[Path], *, column: str = "text") -> Iterator[str]:
    """Unlabelled texts: the lines of text files (blank ones are skipped), else `column`."""
    for path in paths:
        if path.suffix.lower() in READERS:
            for place, record in placed_records(path):
                yield _filled(record, column, place)
        else:
            yield from _text_lines(path)


def read_inputs(paths: Iterable[Path], *, pairs: bool) -> Iterator[Input]:
    """`read_texts`, or the pairs of tables, which must have both columns. Raises DataError."""
    if not pairs:
        yield from read_texts(paths)
        return
    columns = Columns()
    for path in paths:
        if path.suffix.lower() not in READERS:
            raise DataError(
                f"{path}: a text a line is no pair; give pairs as a table with the columns "
                f"'{columns.text}' and '{columns.text_pair}' ({', '.join(READERS)})."
            )
        for place, record in placed_records(path):
            second = _filled(record, columns.text_pair, place)
            yield _filled(record, columns.text, place), second


def _text_lines(path: Path) -> Iterator[str]:
    empty = True
    for _, line in read_lines(path):
        if text := line.strip():
            empty = False
            yield text
    if empty:
        raise DataError(told("lines-empty", {"path": path}))


def _filled(record: Record, column: str, place: str) -> str:
    value = _text(record, column, place)
    if not value.strip():
        raise DataError(told("cell-empty", {"place": place, "column": column}))
    return value


def _language(record: Record, column: str, place: str) -> str | None:
    """The code in its one spelling, so that no row is left out for `pt_BR` instead of `pt-BR`."""
    code = _optional(record, column, place)
    return None if code is None else normal(code) or None


def _optional(record: Record, column: str, place: str) -> str | None:
    if record.get(column) is None:
        return None
    return _text(record, column, place) or None


def _slices(record: Record, names: Sequence[str], place: str) -> dict[str, str]:
    found = {}
    for name in names:
        if name not in record:
            raise DataError(
                f"{place}: there is no column '{name}'.{did_you_mean(name, list(record))}"
            )
        value = _optional(record, name, place)
        if value is not None:
            found[name] = value
    return found


def _text(record: Record, column: str, place: str) -> str:
    """Labels and groups are often numbers; integers are read as their digits."""
    value = record.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return cell(record, column, place)


def told_language(rows: Sequence[Row], languages: Sequence[str]) -> list[Row]:
    """Gives rows without a language the only one of `languages`, if there is only one."""
    if len(languages) != 1:
        return list(rows)
    return [row if row.language else replace(row, language=languages[0]) for row in rows]

"""Rows and plain texts, read from files. Knows nothing of models or metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit.data import label_sets
from edgekit.data.record_writer import RecordWriter
from edgekit.data.records import READERS, Record, cell, placed_records, read_lines, stream_records
from edgekit.errors import DataError
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
    "stream_records",
]

Message = Mapping[str, str]
"""One turn of a conversation: `role` and `content`."""


TEXT_PAIR = "text_pair"
"""The column in which data sets of pairs (a premise and a hypothesis, a query and a passage) keep
the second text."""


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
    """The reference summary, written by a person."""
    choices: tuple[str, ...] = ()
    """For a question: the possible answers, of which `label` is the right one."""
    labels: tuple[str, ...] | None = None
    """All labels of a text that may have several or none; None where it has one, in `label`."""

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Of either kind; empty where there are none."""
        return self.labels or (() if self.label is None else (self.label,))


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


def read_rows(path: Path, *, columns: Columns = Columns(), slices: Sequence[str] = ()) -> list[Row]:
    """Every row of a labelled file, for training or judging.

    The text and label columns must exist and be filled, or `labels`, which may be empty, instead of
    `label`; language and group may be missing or empty; `slices` are further columns to keep, which
    must exist. Raises DataError.
    """
    rows = []
    for place, record in placed_records(path):
        refuse_pairs(record, place)
        several = label_sets.has(record, columns.label)
        rows.append(
            Row(
                text=_filled(record, columns.text, place),
                label=None if several else _filled(record, columns.label, place),
                labels=label_sets.read(record, place) if several else None,
                language=_optional(record, columns.language, place),
                group=_optional(record, columns.group, place),
                slices=_slices(record, slices, place),
            )
        )
    return rows


def read_documents(
    path: Path, *, columns: Columns = Columns(), slices: Sequence[str] = ()
) -> list[Row]:
    """Every row of a file for a language model: a text, or a conversation in `messages`.

    `messages` is a list of {role, content}; in a CSV file it is JSON. The other columns are those
    of `read_rows`; a label is neither needed nor read. Raises DataError.
    """
    rows = []
    for place, record in placed_records(path):
        messages = _messages(record, columns.messages, place)
        text = "\n".join(turn["content"] for turn in messages)
        rows.append(
            Row(
                text=text if messages else _filled(record, columns.text, place),
                language=_optional(record, columns.language, place),
                group=_optional(record, columns.group, place),
                slices=_slices(record, slices, place),
                messages=messages,
            )
        )
    return rows


def read_pairs(
    path: Path, *, columns: Columns = Columns(), slices: Sequence[str] = ()
) -> list[Row]:
    """Every row of a file of texts and their summaries; both columns must exist and be filled.

    The other columns are those of `read_rows`; a label is not read. Raises DataError.
    """
    return [
        Row(
            text=_filled(record, columns.text, place),
            summary=_filled(record, columns.summary, place),
            language=_optional(record, columns.language, place),
            group=_optional(record, columns.group, place),
            slices=_slices(record, slices, place),
        )
        for place, record in placed_records(path)
    ]


def read_questions(path: Path, *, columns: Columns = Columns()) -> list[Row]:
    """Every row of a file of multiple-choice questions.

    The question is a text or `messages`; `choices` is a list of texts (in a CSV file, JSON) and
    `label` the right one. Without the column `choices`, all labels of the file are the choices.
    Raises DataError.
    """
    found, labels = [], dict[str, None]()
    for row, (place, record) in zip(
        read_documents(path, columns=columns), placed_records(path), strict=True
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
    value = _parsed(record, column, place)
    if value is None:
        return ()
    texts = isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)
    if not texts or len(set(value)) != len(value):
        raise DataError(
            f"{place}: column '{column}' must be a list of different texts such as "
            '["yes", "no"]; mend it.'
        )
    return tuple(value)


def _parsed(record: Record, column: str, place: str) -> Any:
    """A JSON value, which in a CSV file is text; None where there is none."""
    value = record.get(column)
    if value is None or value == "":
        return None
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise DataError(f"{place}: column '{column}' is not JSON ({error}); mend it.") from error


def _messages(record: Record, column: str, place: str) -> tuple[Message, ...]:
    """The turns of a conversation; none if the column is missing or empty."""
    turns = _parsed(record, column, place)
    if turns is None:
        return ()
    if not (isinstance(turns, list) and turns and all(map(_is_turn, turns))):
        raise DataError(
            f"{place}: column '{column}' must be a list of turns such as "
            '[{"role": "user", "content": "…"}]; mend it.'
        )
    return tuple({"role": turn["role"], "content": turn["content"]} for turn in turns)


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and all(
        isinstance(turn.get(key), str) and turn[key].strip() for key in ("role", "content")
    )


def read_texts(paths: Iterable[Path], *, column: str = "text") -> Iterator[str]:
    """Unlabelled texts: the lines of text files (blank ones are skipped), else `column`."""
    for path in paths:
        if path.suffix.lower() in READERS:
            for place, record in placed_records(path):
                yield _filled(record, column, place)
        else:
            yield from _text_lines(path)


def _text_lines(path: Path) -> Iterator[str]:
    empty = True
    for _, line in read_lines(path):
        if text := line.strip():
            empty = False
            yield text
    if empty:
        raise DataError(f"{path}: the file is empty; it needs at least one text, one a line.")


def _filled(record: Record, column: str, place: str) -> str:
    value = _text(record, column, place)
    if not value.strip():
        raise DataError(f"{place}: column '{column}' is empty; fill it or remove the row.")
    return value


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


def refuse_pairs(record: Record, place: str) -> None:
    """A second text that no model would be given: every answer would be to half of a question."""
    if TEXT_PAIR in record:
        raise DataError(
            f"{place}: there is a column '{TEXT_PAIR}', and edgekit gives a model one text for "
            "each row, so it cannot compress one for pairs; rename the column if it is no second "
            "text."
        )


def told_language(rows: Sequence[Row], languages: Sequence[str]) -> list[Row]:
    """Gives rows without a language the only one of `languages`, if there is only one."""
    if len(languages) != 1:
        return list(rows)
    return [row if row.language else replace(row, language=languages[0]) for row in rows]

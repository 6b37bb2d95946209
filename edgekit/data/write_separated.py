"""Writes records as text tables, in the form of the file that they came from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.data.encodings import UTF_8, Encoding
from edgekit.data.header import Header
from edgekit.data.partial import Original, names_of, records_of, text_of
from edgekit.data.reading import Form
from edgekit.data.records import PLAIN, form_of
from edgekit.data.sheets import SUFFIXES
from edgekit.errors import DataError

_BY_SUFFIX = {".csv": ",", ".tsv": "\t", PLAIN: "\t"}
# Excel takes a CSV without a BOM for one in the encoding of its country.
_FOR_EXCEL = Encoding("utf-8-sig")


def write(partial: Path, whole: Path, original: Original | None) -> tuple[str, ...]:
    form, notes = _form(whole.with_suffix(""), original, frozenset(names_of(partial)))
    encoding = form.encoding or UTF_8
    try:
        _write(partial, whole, form, encoding)
    except UnicodeEncodeError as error:
        # Excel overlooks a BOM behind which the delimiter is declared.
        _write(partial, whole, replace(form, declared=False), _FOR_EXCEL)
        letter = error.object[error.start]
        notes = (
            *notes,
            f"{encoding.title} has no '{letter}', so the file is in UTF-8 (with a BOM)",
        )
    return notes


def _form(
    out: Path, original: Original | None, names: frozenset[str]
) -> tuple[Form, tuple[str, ...]]:
    suffix = out.suffix.lower()
    plain = Form(encoding=UTF_8, delimiter=_BY_SUFFIX[suffix])
    if original is None:
        return plain, ()
    if original.path.suffix.lower() in SUFFIXES:
        return replace(plain, encoding=_FOR_EXCEL), ()
    if original.path.suffix.lower() != suffix:
        return plain, ()
    with suppress(DataError):
        form = form_of(original.path, original.reading)
        if form.columns and not names.issuperset(Header(form.columns, "").names):
            lost = f"{original.path} has changed since, so the new file has the plain form"
            return plain, (lost,)
        return replace(form, delimiter=form.delimiter or plain.delimiter), ()
    lost = f"{original.path} cannot be read any more, so the new file has the plain form"
    return plain, (lost,)


def _write(partial: Path, whole: Path, form: Form, encoding: Encoding) -> None:
    with whole.open("w", encoding=encoding.codec, newline="") as stream:
        if form.declared:
            stream.write(f"sep={form.delimiter}{form.line_end}")
        for line in _lines(partial, form):
            stream.write(line)


def _lines(partial: Path, form: Form) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    # With "\n" as the line end, the csv module would leave a lone "\r" in a text unquoted.
    writer = csv.writer(
        buffer,
        delimiter=form.delimiter or ",",
        lineterminator="\r\n",
        quoting=csv.QUOTE_ALL if form.quoted else csv.QUOTE_MINIMAL,
    )

    def line(fields: list[str]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(fields)
        return buffer.getvalue()[:-2] + form.line_end

    names = names_of(partial)
    own = Header(form.columns, "").all_names() if form.columns else ()
    added = [name for name in names if name not in own]
    for title in form.titles:
        yield line(list(title)) if title else form.line_end
    yield line([*form.columns, *added])
    for record in records_of(partial):
        values = [_value(record.get(name), form) for name in (*own, *added)]
        yield line(values)


def _value(value: Any, form: Form) -> str:
    if value is None:
        return ""
    text = text_of(value)
    return text.replace(".", ",") if isinstance(value, float) and form.decimal_comma else text

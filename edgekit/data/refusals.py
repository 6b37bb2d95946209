"""What edgekit/data refuses to people: the sentences, by code. Refuses nothing itself."""

from __future__ import annotations

from functools import partial

from edgekit import errors

TEMPLATES = {
    "no-format-read": "{path}: '{suffix}' is no format that edgekit reads; save the file as one "
    "of {suffixes}.",
    "file-empty": "{name}: the file is empty; it needs at least one record.",
    "no-column": "{place}: there is no column '{column}'.{hint}",
    "not-text": "{place}: column '{column}' must be text, but is {kind}; make it a string.",
    "cannot-open": "{path}: {reason}; check the path.",
    "jsonl-blank": "{place}: the line is blank; JSONL has one object on every line.",
    "jsonl-no-object": "{place}: this is not a JSON object on one line ({reason}).",
    "jsonl-no-mapping": '{place}: a line must be an object such as {{"text": "…"}}.',
    "half-character": "{place}: half of a character (a lone surrogate); remove it.",
    "nul-character": "{place}: the text has a NUL character; remove it.",
    "parquet-not-whole": "{path}: this is not a whole Parquet file ({reason}).",
    "parquet-damaged": "{path}: the file is damaged after row {number} ({reason}); make it again.",
    "no-header-row": "{place}: there is no row {row}; name another as header.",
    "no-sheet": "{path}: there is no sheet '{sheet}'.{hint}",
    "no-visible-sheet": "{path}: it has no sheet that can be seen.",
    "sheet-password": "{path}: it asks for a password; save it without one.",
    "sheet-damaged": "{path}: this {suffix} file cannot be read ({reason}); open it and save it "
    "again.",
    "sheet-too-far": "{path}: the cells reach to row {row} and column {column}, which is too "
    "far; delete the empty rows and columns below and beside the table.",
    "no-encoding": "'{name}' is no encoding; name one such as utf-8, utf-16 or windows-1252.",
    "line-too-long": "{place}: the line is over 10 MB; split it into lines of one record each.",
    "line-nul": "{place}: the line has a NUL character, which no text has; save the file again "
    "as text (in Excel: CSV UTF-8).",
    "letter-unread": "{place}: a letter {where} cannot be read as {encoding}, in which the file "
    "is written; correct it there, or name another encoding.",
    "no-known-encoding": "{path}: this is no text in an encoding that edgekit knows; open it "
    "where it was made and save it as UTF-8 (in Excel: CSV UTF-8), or name its encoding.",
    "last-letter-cut": "{path}: the last letter is cut off; get the whole file again.",
    "no-header-line": "{path}: there is no line {line}; name another as header.",
    "not-csv": "{path}:{line}: this is not CSV as it should be ({reason}); put text with "
    'commas, quotes or line breaks in "double quotes".',
    "header-blank": "{place}: the line is blank; it must name the columns.",
    "column-twice": "{place}: the column '{column}' is there twice; rename one of them.",
    "field-count": "{place}: {fields} fields, but the header names {columns} columns; put text "
    'with commas in "double quotes".',
    "no-kind-of-text": "{path}: '{suffix}' is no kind of text that edgekit reads; save it as "
    "one of {suffixes}.",
    "too-many-bytes": "{path}: over {most} MB; split it.",
    "too-many-characters": "{place}: over {most} million characters; split it.",
    "no-text": "{place}: there is no text in it; where it holds pictures of pages, have a "
    "program for text recognition (OCR) read it first.",
    "pdf-password": "{path}: this PDF asks for a password; save it without one, then try again.",
    "pdf-pages": "{path}: over {most} pages; split it.",
    "pdf-damaged": "{path}: this PDF cannot be read ({reason}); open it and save it again as PDF.",
    "no-word-file": "{path}: this is no Word file; save it again as .docx.",
    "word-damaged": "{path}: this Word file is damaged ({reason}); open it and save it again.",
    "book-locked": "{path}: this book is locked (DRM), so it cannot be read here.",
    "no-epub": "{path}: this is no EPUB book, it has no {name}.",
    "book-damaged": "{path}: {name} is damaged ({reason}); get the book again.",
    "zip-damaged": "{path}: this is not a whole {suffix} file ({reason}); get it again, and "
    "where it asks for a password, save it without one.",
    "zip-too-large": "{path}: {packed} MB would unpack to {unpacked} MB, which no document "
    "does; it was not opened.",
    "zip-password": "{path}: this file asks for a password; save it without one.",
    "no-format-write": "{path}: '{suffix}' is no format that edgekit writes; name the file as "
    "one of {suffixes}.",
    "no-folder": "{path}: there is no folder '{folder}'; make it first.",
    "json-number": "{path}: record {record} has a number that JSON lacks (NaN or infinite); "
    "name the file .csv or .parquet.",
    "no-records": "{path}: there are no records to write.",
    "disk-full": "{path}: the disk is full; make room and run the same again, it goes on from "
    "here.",
    "columns-taken": "{place}: it has the columns '{first}' and '{second}' already; rename one "
    "of them.",
    "being-written": "{path}: another edgekit is writing this; wait for it.",
    "cell-empty": "{place}: column '{column}' is empty; fill it or remove the row.",
    "lines-empty": "{path}: the file is empty; it needs at least one text, one a line.",
}

told = partial(errors.told, TEMPLATES)

"""Forms with a file: read in memory, checked, and turned into the JSON body of the route.

Nothing is written to a disk: the file's name says its format and where an error is, no more.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from edgekit.data import strict_json
from edgekit.data.documents import decode
from edgekit.data.records import TEXTUAL, cell, records_in
from edgekit.errors import DataError
from edgekit.serving import bodies
from edgekit.serving.refusals import Refusal
from edgekit.serving.settings import Limits
from edgekit.tasks.routes import File, Route, Schema

KIND = "multipart/form-data"
FILE, COLUMN, TEXT = "file", "column", "text"
PLAIN = (".txt", ".text", ".md", ".markdown")
MOST_FIELD_BYTES = 256 * 1024
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{1,70}")  # RFC 2046, 5.1.1
# No part of a path, nothing that a terminal or a reader would be deceived by.
_NAME = re.compile(r"[^./\\:\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
                   r"[^/\\:\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]{0,199}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    fields: dict[str, str]
    name: str
    """Of the file."""
    data: bytes


def is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == KIND


async def read(request: Request, limits: Limits) -> Form:
    """The fields and the one file of a form; raises Refusal."""
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise _no_form("it has no boundary, or one that none may have")
    data = await bodies.read_bytes(request, limits)
    # Latin-1 leaves every byte as it is: what is not UTF-8 is refused below, not guessed.
    kind = b'%b; charset=latin-1; boundary="%b"' % (KIND.encode(), boundary)
    parser = MultiPartParser(
        Headers(raw=[(b"content-type", kind)]), _once(data), max_files=1,
        max_fields=limits.parts - 1, max_part_size=MOST_FIELD_BYTES,
    )  # fmt: skip
    # The whole body is in memory already; no part of it goes to a disk.
    parser.spool_max_size = limits.body_bytes + 1
    try:
        parsed = await parser.parse()
    except MultiPartException as error:
        raise _no_form(error.message[:200].rstrip(".")) from None
    try:
        return _form(parsed.multi_items())
    finally:
        await parsed.close()


def _form(parts: Sequence[tuple[str, UploadFile | str]]) -> Form:
    fields: dict[str, str] = {}
    file: UploadFile | None = None
    for name, value in parts:
        name = _utf8(name)
        if name in fields or (file is not None and name == FILE):
            raise _no_form(f"the field '{name[:60]}' is there twice")
        if isinstance(value, str):
            fields[name] = _utf8(value)
        elif name == FILE:
            file = value
        else:
            raise _no_form(f"its file must be the field '{FILE}'")
    if file is None:
        raise _no_form(f"its field '{FILE}' must be a file")
    return Form(fields, _checked_name(_utf8(file.filename or "")), file.file.read())


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


def body(form: Form, route: Route) -> dict[str, Any]:
    """The form as the route's JSON; raises Refusal, or DataError with the place in the file."""
    if route.file is None:
        raise Refusal(415, "wrong_content_type", "This path takes application/json, and no file.")
    fields, properties = dict(form.fields), route.request["properties"]
    column = fields.pop(COLUMN, TEXT)
    if "input" in fields:
        raise Refusal(400, "invalid_value", "Send a file or 'input', not both.", field="input")
    found: dict[str, Any] = {name: _value(name, text, properties) for name, text in fields.items()}
    return {**found, "input": _input(form, route.file, column)}


def _input(form: Form, file: File, column: str) -> str | list[str]:
    suffix = PurePath(form.name).suffix.lower()
    if suffix in PLAIN:
        return decode(form.data, form.name)
    if suffix not in TEXTUAL or not file.rows:
        known = ", ".join([*PLAIN, *(TEXTUAL if file.rows else ())])
        raise Refusal(
            415, "wrong_file",
            f"'{suffix[:20]}' is no kind of file that is read here; send one of {known}. Other "
            "kinds are read by edgekit's own commands.", field=FILE,
        )  # fmt: skip
    texts: list[str] = []
    for place, record in records_in(form.data, form.name):
        text = cell(record, column, place)
        if not text.strip():
            raise DataError(f"{place}: column '{column}' is empty; leave the row out.")
        if len(texts) == file.rows:
            raise DataError(
                f"{form.name}: a file has at most {file.rows:,} rows here; send it in pieces, or "
                "let edgekit's own command read it."
            )
        texts.append(text)
    return texts


def _value(name: str, text: str, properties: Schema) -> Any:
    """A field as the JSON that its schema asks for: a text as it is, anything else parsed."""
    kinds = properties.get(name, {}).get("type", "string")
    if "string" in ([kinds] if isinstance(kinds, str) else kinds):
        return text
    try:
        return strict_json.parse(text, parse_float=bodies.finite)
    except (ValueError, RecursionError):
        raise Refusal(
            400, "invalid_value", f"{name[:60]}: this must be JSON, such as 0.5 or true.",
            field=name[:60],
        ) from None  # fmt: skip


def described(route: Route) -> Schema:
    """The form's schema, for the OpenAPI document."""
    properties = {name: one for name, one in route.request["properties"].items() if name != "input"}
    more: dict[str, Any] = {FILE: {"type": "string", "format": "binary"}}
    if route.file is not None and route.file.rows:
        more[COLUMN] = {"type": "string", "description": "the column with the texts of a table"}
    required = [name for name in route.request.get("required", []) if name != "input"]
    return {
        "type": "object",
        "properties": {**properties, **more},
        "required": [*required, FILE],
        "additionalProperties": False,
    }


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Refusal(
            400, "wrong_file_name",
            "A file's name is one word or several, without a folder, a dot at its beginning or "
            "signs that cannot be seen, and has at most 200 characters.", field=FILE,
        )  # fmt: skip
    return name


def _utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise _no_form("a field or a name is not UTF-8") from None


def _no_form(why: str) -> Refusal:
    return Refusal(400, "invalid_form", f"The body cannot be used as a form: {why}.")

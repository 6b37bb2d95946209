"""Files in place of `input`: read as the CLI reads them, and refused where they are a trick."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.data.records import TEXTUAL, placed_records, records_in
from edgekit.errors import DataError
from tests.serving.running import Got, Limits, Running, running
from tests.tiny.artifact import TEXTS

BOUNDARY = "b0und"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[str, bytes], end: str = "--") -> bytes:
    """A body of these parts: what follows `form-data; `, and the data."""
    found = b""
    for says, data in parts:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {says}\r\n\r\n"
        found += head.encode() + data + b"\r\n"
    return found + f"--{BOUNDARY}{end}\r\n".encode()


def file(name: str, data: bytes) -> tuple[str, bytes]:
    return f'name="file"; filename="{name}"', data


def field(name: str, value: str) -> tuple[str, bytes]:
    return f'name="{name}"', value.encode()


def send(server: Running, path: str, body: bytes, kind: str = KIND) -> Got:
    return server.ask(path, body, headers={"content-type": kind})


LABELS = field("model", "tiny-intents")
CSV = b'id,said\n1,turn up the heating\n2,"play, please"\n'


@pytest.mark.parametrize(("name", "data"), [
    ("rows.csv", CSV),
    ("rows.CSV", CSV.replace(b"id,said", b"id;said").replace(b"1,t", b"1;t")
     .replace(b"2,", b"2;")),
    ("rows.tsv", b"id\tsaid\n1\tturn up the heating\n2\tplay, please\n"),
    ("\u0642\u0627\u0626\u0645\u0629.jsonl",
     b'{"said": "turn up the heating"}\n{"said": "play, please", "id": 2}\n'),
])  # fmt: skip
def test_rows_are_labelled(server: Running, made_artifact: Path, name: str, data: bytes) -> None:
    with edgekit.load(made_artifact) as model:
        wanted = [one.as_json() for one in model.classify(["turn up the heating", "play, please"])]
    body = form(LABELS, field("column", "said"), field("abstain_below", "0"), file(name, data))
    got = send(server, "/v1/classify", body)
    assert got.status == 200, got.body
    assert [{**one, "index": 0} for one in got.json["data"]] == [{"index": 0, **one}
                                                                for one in wanted]  # fmt: skip


def test_a_text_is_read(server: Running) -> None:
    text = "The lamp is on. The heating is off. Play a song, please. " * 9
    for name in ("text.txt", "a text.md"):
        body = form(
            field("model", "tiny-summaries"), field("words", "9"), file(name, text.encode())
        )
        asked = {"model": "tiny-summaries", "words": 9, "input": text}
        got = send(server, "/v1/summarize", body)
        assert got.json["text"] == server.ask("/v1/summarize", asked).json["text"]
    streamed = form(field("model", "tiny-summaries"), field("stream", "true"),
                    file("text.txt", b"\xef\xbb\xbf" + text.encode()))  # fmt: skip
    assert send(server, "/v1/summarize", streamed).body.endswith(b"data: [DONE]\n\n")
    schema = {"type": "object", "properties": {"big": {"type": "boolean"}}, "required": ["big"]}
    body = form(field("model", "tiny-chat"), field("schema", json.dumps(schema)),
                file("text.txt", b"Nairobi is big."))  # fmt: skip
    got = send(server, "/v1/extract", body)
    assert set(got.json["data"]) == {"big"}
    body = form(field("model", "tiny-chat"), field("labels", '["big", "small"]'),
                file("rows.csv", b"text\nNairobi is big.\nLima\n"))  # fmt: skip
    assert len(send(server, "/v1/classify", body).json["data"]) == 2


NAMES = (
    "../../etc/passwd.csv", "/etc/passwd.csv", "a/b.csv", "..\\..\\boot.csv", "c:rows.csv",
    ".rows.csv", "..", "", "rows\u202evsc.csv", "rows\x1b.csv", "a\0.csv", "a" * 201 + ".csv",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_paths_are_refused(server: Running, name: str) -> None:
    got = send(server, "/v1/classify", form(LABELS, file(name, b"text\nlamp\n")))
    # python-multipart takes what follows the last backslash, as old browsers sent whole paths.
    if name.startswith("..\\"):
        assert got.status in (200, 400)
    else:
        assert (got.status, got.json["error"]["code"]) == (400, "wrong_file_name")


ROWS = file("rows.csv", b"text\nlamp\n")
WRONG: dict[str, tuple[Any, int, str, str]] = {
    "a row without a text": (
        form(LABELS, file("rows.csv", b"text\nlamp\n \n")), 400, "invalid_value", "rows.csv:3"),
    "a column that is not there": (
        form(LABELS, field("column", "txt"), ROWS), 400, "invalid_value", "rows.csv:2"),
    "no records": (form(LABELS, file("rows.csv", b"")), 400, "invalid_value", "empty"),
    "no UTF-8": (
        form(LABELS, file("rows.csv", b"text\n\xff\n")), 400, "invalid_value", "rows.csv:2"),
    "a byte that is nothing": (
        form(LABELS, file("rows.csv", b"text\na\0b\n")), 400, "invalid_value", "NUL"),
    "no CSV": (
        form(LABELS, file("rows.csv", b'text\n"lamp')), 400, "invalid_value", "rows.csv:2"),
    "a bomb of brackets": (
        form(LABELS, file("a.jsonl", b"[" * 60_000)), 400, "invalid_value", "a.jsonl:1"),
    "a number": (
        form(LABELS, file("a.jsonl", b'{"text": NaN}')), 400, "invalid_value", "a.jsonl:1"),
    "too many rows": (
        form(LABELS, file("rows.csv", b"text\n" + b"a\n" * 2049)), 400, "invalid_value", "2,048"),
    "another kind": (
        form(LABELS, file("rows.xlsx", b"PK")), 415, "wrong_file", ".csv"),
    "a program": (form(LABELS, file("rows", b"\x7fELF")), 415, "wrong_file", ".csv"),
    "a table where a text is read": (
        form(field("model", "tiny-summaries"), ROWS), 415, "wrong_file", ".txt"),
    "a file and a text": (form(LABELS, field("input", "a"), ROWS), 400, "invalid_value", "both"),
    "no file": (form(LABELS), 400, "invalid_form", "file"),
    "a file that is a field": (form(LABELS, field("file", "a")), 400, "invalid_form", "file"),
    "another field with a file": (
        form(LABELS, ('name="input"; filename="a.csv"', b"a")), 400, "invalid_form", "'file'"),
    "two files": (form(LABELS, ROWS, ROWS), 400, "invalid_form", "files"),
    "a field twice": (form(LABELS, LABELS, ROWS), 400, "invalid_form", "twice"),
    "too many fields": (
        form(*(field(f"f{n}", "a") for n in range(9)), ROWS), 400, "invalid_form", "fields"),
    "a field that is too long": (
        form(field("model", "a" * 300_000), ROWS), 400, "invalid_form", "exceeded"),
    "a field that does not exist": (
        form(LABELS, field("__class__", "a"), ROWS), 400, "unknown_parameter", "__class__"),
    "a field of another type": (
        form(LABELS, field("abstain_below", "much"), ROWS), 400, "invalid_value", "JSON"),
    "a number beyond all": (
        form(LABELS, field("abstain_below", "1e999"), ROWS), 400, "invalid_value", "JSON"),
    "a part without a name": (form(LABELS, ("x=1", b"a"), ROWS), 400, "invalid_form", "name"),
    "a form without an end": (
        form(LABELS, ROWS)[:-40], 400, "invalid_form", "form"),
    "nothing": (b"", 400, "invalid_form", "form"),
    "a name that is no UTF-8": (
        form(LABELS, ROWS).replace(b"rows", b"\xff\xfe"), 400, "invalid_form", "UTF-8"),
    "no model of that name": (form(field("model", "gone"), ROWS), 404, "model_not_found", "no"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_form_is_refused(server: Running, name: str) -> None:
    body, status, code, said = WRONG[name]
    text = "/v1/summarize" if "where a text" in name else "/v1/classify"
    got = send(server, text, body)
    assert (got.status, got.code) == (status, code), got.body
    assert said in got.json["error"]["message"]
    assert tempfile.gettempdir() not in got.json["error"]["message"]


def test_other_forms_are_refused(server: Running) -> None:
    body = form(LABELS, ROWS)
    for kind in ("multipart/form-data", "multipart/form-data; boundary=",
                 "multipart/form-data; boundary=" + "a" * 71,
                 'multipart/form-data; boundary="a<b"'):  # fmt: skip
        assert send(server, "/v1/classify", body, kind).code == "invalid_form"
    for kind in ("multipart/mixed; boundary=b0und", "application/x-www-form-urlencoded"):
        assert send(server, "/v1/classify", body, kind).status == 415
    chat = form(field("model", "tiny-chat"), ROWS)
    assert send(server, "/v1/chat/completions", chat).status == 415
    page = {"content-type": KIND, "origin": "https://evil.example"}
    assert server.ask("/v1/classify", body, headers=page).code == "wrong_origin"


@pytest.fixture
def small(made_artifact: Path) -> Iterator[Running]:
    with running(made_artifact, limits=Limits(body_bytes=2000)) as found:
        yield found


def test_a_file_that_is_too_large_is_refused(small: Running) -> None:
    body = form(LABELS, file("rows.csv", b"text\n" + b"lamp\n" * 900))
    got = send(small, "/v1/classify", body)
    assert (got.status, got.code) == (413, "body_too_large")
    assert send(small, "/v1/classify", form(LABELS, ROWS)).status == 200


def test_nothing_of_a_file_is_logged_or_written(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))  # whatever is written fails
    word = "siri-ya-asha"
    rows = b"text\n" + f"{word} {TEXTS[0]}\n".encode() * 1500  # more than is spooled by default
    body = form(LABELS, file(f"{word}.csv", rows * 40))
    assert "2,048" in send(server, "/v1/classify", body).json["error"]["message"]
    assert send(server, "/v1/classify", form(LABELS, file(f"{word}.csv", rows))).status == 200
    assert word not in json.dumps(server.lines)


def test_records_of_bytes_are_those_of_a_file(tmp_path: Path) -> None:
    for suffix, data in zip(TEXTUAL, (CSV, b"a\tb\n1\t2\n", b'{"a": 1}\n'), strict=True):
        path = tmp_path / f"rows{suffix}"
        path.write_bytes(data)
        here = list(records_in(data, str(path)))
        assert here == list(placed_records(path))
        assert here
    with pytest.raises(DataError, match="empty"):
        list(records_in(b"", "rows.csv"))

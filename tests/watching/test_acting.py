"""Commands and webhooks of rules: each gets the event, none holds up the stream or goes astray."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from edgekit.watching.acting import Actor
from edgekit.watching.rules import Do, Event

EVENT = Event("anger", "began", 7.0, 0.6, 0.5, 20, "language", "fr")


class Hook(HTTPServer):
    """Keeps what it gets; answers /moved with a redirect and /broken with an error."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        self.send_response({"/moved": 307, "/broken": 500}.get(self.path, 204))
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 (the name that http.server calls)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def failed() -> list[tuple[Event, str]]:
    return []


@pytest.fixture
def actor(failed: list[tuple[Event, str]]) -> Actor:
    return Actor(lambda event, why: failed.append((event, why)))


def keeping(path: Path) -> tuple[str, ...]:
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    return (sys.executable, "-c", code, str(path))


def test_a_command_gets_the_event_on_its_stdin(
    actor: Actor, failed: list[tuple[Event, str]], tmp_path: Path
) -> None:
    odd = tmp_path / "a file; $(name)"  # no shell reads it
    actor.act(EVENT, Do(command=keeping(odd)))
    actor.close()
    assert failed == []
    assert json.loads(odd.read_text()) == {
        "rule": "anger", "state": "began", "at": 7.0, "value": 0.6, "line": 0.5, "rows": 20,
        "by": "language", "group": "fr",
    }  # fmt: skip


def test_a_webhook_gets_the_event(
    actor: Actor, failed: list[tuple[Event, str]], hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # another address
    actor.act(EVENT, Do(webhook=f"{hook.address}/alarm"))
    actor.close()
    assert failed == []
    ((path, event),) = hook.got
    assert (path, event["rule"], event["group"]) == ("/alarm", "anger", "fr")


def test_what_cannot_be_done_is_told_and_the_next_is_done(
    actor: Actor, failed: list[tuple[Event, str]], hook: Hook, tmp_path: Path
) -> None:
    for do in (
        Do(command=(str(tmp_path / "gone"),)),
        Do(command=(sys.executable, "-c", "raise SystemExit(3)")),
        Do(webhook=f"{hook.address}/broken"),
        Do(webhook=f"{hook.address}/moved"),
        Do(webhook="http://127.0.0.1:9/"),
        Do(command=keeping(tmp_path / "done"), webhook=f"{hook.address}/last"),
        Do(),
    ):
        actor.act(EVENT, do)
    actor.close()
    assert [path for path, _ in hook.got] == ["/broken", "/moved", "/last"]
    assert (tmp_path / "done").is_file()
    assert len(failed) == 5
    for (_, why), said in zip(
        failed, ("No such file", "exit status 3", "500", "307", "refused"), strict=True
    ):
        assert said in why

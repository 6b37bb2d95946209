"""What the server promises: nothing cut in silence, nobody's answer is another's, it stops."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.runtime import workers
from tests.serving.running import Limits, Open, Running, running
from tests.tiny.chat_artifact import make_chat_artifact

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]
# Long enough to be cut off in the middle, for a model that writes a token in well under 1 ms.
LONG_CONTEXT = 16_384


@pytest.fixture(scope="module")
def long_artifact(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long") / "tiny-long-gguf"
    return make_chat_artifact(folder, tiny_gguf, trained_context=LONG_CONTEXT)


@pytest.fixture
def long(long_artifact: Path) -> Iterator[Running]:
    with running(long_artifact, context=LONG_CONTEXT, waiting=4) as found:
        yield found


def endless(**more: Any) -> dict[str, Any]:
    """A request whose answer goes on until the context is full: no end of it is likely."""
    # Only the letter a, without end: the model's own end of the answer is not allowed.
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 2000}},
              "required": ["a"]}  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    return {"messages": HELLO, "stream": True, "seed": 1, "response_format": form, **more}


def begun(server: Running, body: dict[str, Any]) -> Open:
    """A stream whose first event has come."""
    found = Open(server, PATH, body)
    assert found.head() == 200
    while not (line := found.line()).startswith(b"data: "):
        assert line in (b": waiting\n", b"\n")
    return found


def metric(server: Running, name: str) -> float:
    lines = server.ask("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


def eventually(holds: Any, seconds: float = 30) -> None:
    """A bound on waiting, so that a fault ends; no test asserts how long it took."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_conversation_that_does_not_fit_is_refused_with_the_numbers(server: Running) -> None:
    asked = {"model": "tiny-chat", "messages": [{"role": "user", "content": "Hello " * 600}]}
    for stream in (False, True):
        got = server.ask(PATH, {**asked, "stream": stream})
        assert (got.status, got.code) == (400, "context_length_exceeded")
        message = got.json["error"]["message"]
        assert "512" in message
        assert "tokens" in message


def test_what_is_left_out_when_asked_is_named(server: Running) -> None:
    talk = [{"role": "system", "content": "Be brief."}]
    for number in range(6):
        talk += [{"role": "user", "content": f"{number} " + "Everyone has rights. " * 12},
                 {"role": "assistant", "content": "Yes."}]  # fmt: skip
    talk.append({"role": "user", "content": "And?"})
    asked = {"model": "tiny-chat", "messages": talk, "max_tokens": 8, "seed": 1}
    assert server.ask(PATH, asked).code == "context_length_exceeded"
    got = server.ask(PATH, {**asked, "when_full": "drop_oldest"}).json
    dropped = got["usage"]["edgekit"]["dropped"]
    assert dropped
    assert dropped == list(range(1, len(dropped) + 1))
    streamed = server.ask(PATH, {**asked, "when_full": "drop_oldest", "stream": True}).events
    assert streamed[-1]["edgekit"]["dropped"] == dropped


def test_the_slot_is_free_when_the_client_goes(long: Running) -> None:
    begun(long, endless()).close()
    # The next answer needs the only slot: it comes although the first had thousands of tokens left.
    got = long.ask(PATH, {"messages": HELLO, "max_tokens": 3, "seed": 1})
    assert got.status == 200
    line = long.logged(lambda line: line.get("cancelled"))
    assert line["artifact"] == "tiny-chat"
    assert metric(long, "edgekit_cancelled_total") == 1
    assert metric(long, "edgekit_running") == 0


def test_who_leaves_the_line_is_not_answered(long: Running) -> None:
    response = begun(long, endless())
    waiting = Open(long, PATH, {"messages": HELLO, "max_tokens": 1})
    eventually(lambda: metric(long, "edgekit_waiting") == 1)
    waiting.close()
    eventually(lambda: metric(long, "edgekit_waiting") == 0)
    response.close()
    eventually(lambda: metric(long, "edgekit_running") == 0)
    assert metric(long, "edgekit_requests_total") == 0


def test_a_full_room_says_when_to_come_again(long: Running) -> None:
    response = begun(long, endless())
    others = [
        threading.Thread(target=long.ask, args=(PATH, {"messages": HELLO, "max_tokens": 1}))
        for _ in range(4)
    ]
    for other in others:
        other.start()
    eventually(lambda: metric(long, "edgekit_waiting") == 4)
    got = long.ask(PATH, {"messages": HELLO, "max_tokens": 1})
    assert (got.status, got.code) == (503, "server_full")
    assert int(got.headers["retry-after"]) >= 1
    response.close()
    for other in others:
        other.join()
    assert metric(long, "edgekit_requests_total") == 4


def test_a_stream_that_waits_says_so(long_artifact: Path) -> None:
    limits = Limits(ping_seconds=0.05)
    with running(long_artifact, context=LONG_CONTEXT, limits=limits) as server:
        first = begun(server, endless())
        with Open(server, PATH, {"messages": HELLO, "max_tokens": 1, "stream": True}) as second:
            assert second.head() == 200
            assert second.line() == b": waiting\n"
            first.close()
            assert second.rest().endswith(b"data: [DONE]\n\n")


def test_a_killed_worker_ends_its_stream_with_an_error_and_the_next_is_answered(
    long_artifact: Path,
) -> None:
    before = set(workers.of())
    with running(long_artifact, context=LONG_CONTEXT) as long:
        _kill_and_ask_again(long, before)


def _kill_and_ask_again(long: Running, before: set[psutil.Process]) -> None:
    response = begun(long, endless())
    for worker in set(workers.of()) - before:
        worker.kill()
    rest = response.rest()
    response.close()
    last = json.loads(rest.strip().rpartition(b"data: ")[2])
    assert last["error"]["code"] == "worker_died"
    assert b"[DONE]" not in rest
    got = long.ask(PATH, {"messages": HELLO, "max_tokens": 3, "seed": 1})
    assert got.status == 200


def test_greedy_answers_do_not_depend_on_what_was_asked_before(
    server: Running, long_artifact: Path
) -> None:
    asked = [
        {"model": "tiny-chat", "temperature": 0, "max_tokens": 16,
         "messages": [{"role": "system", "content": "Answer as briefly as you can. " * 9},
                      {"role": "user", "content": text}]}
        for text in ("One", "Two words", "Three words here")
    ]  # fmt: skip
    alone = [server.ask(PATH, one).json["choices"] for one in asked]
    again = [server.ask(PATH, one).json["choices"] for one in reversed(asked)]
    assert alone == again[::-1]

"""The server answers as the Python call does, whole and as a stream."""

from __future__ import annotations

from pathlib import Path

import edgekit
from tests.serving.running import Running
from tests.tiny.artifact import LABELS, TEXTS

HELLO = [{"role": "user", "content": "Hello"}]


def test_it_says_what_it_has(server: Running) -> None:
    found = server.ask("/v1/models").json["data"]
    assert [one["id"] for one in found] == ["tiny-intents", "tiny-chat"]
    assert found[0]["edgekit"]["paths"] == ["/v1/classify"]
    assert server.ask("/healthz").json == {"status": "ok"}
    assert server.ask("/readyz").json == {"status": "ready"}


def test_labels_are_those_of_the_python_call(server: Running, made_artifact: Path) -> None:
    with edgekit.load(made_artifact) as model:
        wanted = [answer.as_json() for answer in model.classify(TEXTS)]
    got = server.ask("/v1/classify", {"model": "tiny-intents", "input": list(TEXTS)}).json
    assert [{**one, "index": None} for one in got["data"]] == [
        {"index": None, **one} for one in wanted
    ]
    one = server.ask("/v1/classify", {"input": TEXTS[0], "model": "tiny-intents"}).json
    assert one["data"] == got["data"][:1]
    assert set(one["data"][0]["scores"]) == set(LABELS)
    assert one["usage"]["edgekit"]["parts"] == 1


def test_an_answer_whole_and_in_pieces(server: Running, made_chat_artifact: Path) -> None:
    asked = {"model": "tiny-chat", "messages": HELLO, "max_tokens": 12, "seed": 4}
    with edgekit.load(made_chat_artifact) as model:
        wanted = model.chat(HELLO, max_tokens=12, seed=4)
    whole = server.ask("/v1/chat/completions", asked).json
    [choice] = whole["choices"]
    assert choice["message"]["content"] == wanted.text
    assert choice["finish_reason"] == "length"
    assert whole["usage"]["completion_tokens"] == 12
    assert whole["usage"]["prompt_tokens"] == wanted.prompt_tokens
    streamed = server.ask(
        "/v1/chat/completions",
        {**asked, "stream": True, "stream_options": {"include_usage": True}},
    )
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *chunks, last = streamed.events
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == wanted.text
    assert deltas[0]["role"] == "assistant"
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 12
    assert {chunk["id"] for chunk in streamed.events} == {last["id"]}


def test_errors_have_openais_form(server: Running) -> None:
    path = "/v1/chat/completions"
    wrong = [
        (path, {"model": "tiny-chat", "messages": []}, 400, "invalid_value", "messages"),
        (path, {"model": "tiny-chat", "messages": HELLO, "temperature": 9}, 400, "invalid_value",
         "temperature"),
        (path, {"model": "tiny-chat", "messages": HELLO, "best_of": 3}, 400, "unknown_parameter",
         None),
        (path, {"model": "tiny-chat", "messages": HELLO, "n": 2}, 400, "invalid_value", "n"),
        (path, {"model": "gone", "messages": HELLO}, 404, "model_not_found", "model"),
        (path, {"model": "tiny-intents", "messages": HELLO}, 400, "unsupported", "model"),
        (path, b"{", 400, "invalid_json", None),
        ("/v1/classify", {"model": "tiny-intents", "input": ["lamp", " "]}, 400, "invalid_value",
         "input[1]"),
        ("/v1/nothing", {}, 404, "not_found", None),
    ]  # fmt: skip
    for place, body, status, code, field in wrong:
        got = server.ask(place, body)
        assert (got.status, got.code) == (status, code), got.body
        assert got.json["error"]["param"] == field, got.body

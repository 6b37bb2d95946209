"""The server answers as the Python call does, whole and as a stream."""

from __future__ import annotations

import base64
from pathlib import Path

import edgekit
from tests.serving.running import Running, running
from tests.tiny.artifact import LABELS, TEXTS

HELLO = [{"role": "user", "content": "Hello"}]


def test_it_says_what_it_has(server: Running) -> None:
    found = server.ask("/v1/models").json["data"]
    assert [one["id"] for one in found][:2] == ["tiny-intents", "tiny-chat"]
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


TEXT = "The lamp is on. The heating is off. Play a song, please. " * 20
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Nairobi", "Lima"]}, "big": {"type": "boolean"}},
    "required": ["city", "big"],
}


def test_summaries_are_those_of_the_python_call(server: Running, made_summarizer: Path) -> None:
    with edgekit.load(made_summarizer) as model:
        wanted = model.summarize(TEXT, words=12)
        name = model.manifest.name
    asked = {"model": name, "input": TEXT, "words": 12}
    whole = server.ask("/v1/summarize", asked).json
    assert whole["text"] == wanted.text
    assert whole["warnings"] == list(wanted.warnings)
    counts = whole["usage"]["edgekit"]
    assert counts["parts_read"] == counts["parts"] == wanted.parts
    streamed = server.ask("/v1/summarize", {**asked, "stream": True})
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    *told, last = streamed.events
    assert last["text"] == wanted.text
    assert "".join(one.get("delta", "") for one in told) == wanted.text
    assert told[0]["object"] == "edgekit.summary.progress"
    read = [one["parts_read"] for one in told]
    assert read == sorted(read)
    assert read[-1] == wanted.parts


def test_a_chat_model_has_the_other_verbs_too(server: Running, made_chat_artifact: Path) -> None:
    with edgekit.load(made_chat_artifact) as model:
        label = model.classify("Is it?", labels=["yes", "no"])
        fields = model.extract("Nairobi is big.", schema=SCHEMA)
        count, wanted = model.verbs.count("Nairobi is big."), model.verbs.ids(HELLO)
    asked = {"model": "tiny-chat", "input": "Is it?", "labels": ["yes", "no"]}
    [got] = server.ask("/v1/classify", asked).json["data"]
    assert got == {"index": 0, **label.as_json()}
    asked = {"model": "tiny-chat", "input": "Nairobi is big.", "schema": SCHEMA}
    got = server.ask("/v1/extract", asked).json
    assert got["data"] == fields
    assert got["usage"]["total_tokens"] > got["usage"]["prompt_tokens"] > 0
    counted = server.ask("/tokenize", {"model": "tiny-chat", "input": "Nairobi is big."}).json
    assert (counted["count"], counted["context"]) == (count, 512)
    talk = server.ask("/tokenize", {"model": "tiny-chat", "input": HELLO}).json
    assert "ids" not in talk
    ids = server.ask("/tokenize", {"model": "tiny-chat", "input": HELLO, "ids": True}).json["ids"]
    assert ids == wanted
    assert len(ids) == talk["count"]
    usage = server.ask(
        "/v1/chat/completions", {"model": "tiny-chat", "messages": HELLO, "max_tokens": 1}
    ).json["usage"]
    assert talk["count"] == usage["prompt_tokens"]
    for body, field in (
        ({"labels": ["a", "a"]}, "labels"),
        ({"labels": ["a "]}, "labels"),
        ({}, None),
    ):
        got = server.ask("/v1/classify", {"model": "tiny-chat", "input": "Is it?", **body})
        assert got.status == 400
        assert got.json["error"]["param"] == field
    wrong = {"model": "tiny-chat", "input": "a", "schema": {"type": "x"}}
    assert server.ask("/v1/extract", wrong).json["error"]["param"] == "schema"


def test_embeddings_of_what_has_none_are_refused_in_a_sentence(
    server: Running, made_artifact: Path
) -> None:
    got = server.ask("/v1/embeddings", {"model": "tiny-chat", "input": "a"})
    assert (got.status, got.code) == (400, "unsupported")
    assert "these do: tiny-summaries" in got.json["error"]["message"]
    with running(made_artifact) as other:
        got = other.ask("/v1/embeddings", {"model": "tiny-intents", "input": "a"})
        assert (got.status, got.code) == (400, "unsupported")
        assert "embeddings" in got.json["error"]["message"]


def test_embeddings_are_those_of_the_python_call(server: Running, made_summarizer: Path) -> None:
    texts = ["The lamp is on.", "关灯", "The room is warm. " * 40]
    with edgekit.load(made_summarizer) as model:
        wanted = model.embed(texts)
        assert (model.embed(texts[1]) == wanted[1]).all()
        with edgekit.load(made_summarizer, isolate=True) as other:
            assert (other.embed(texts) == wanted).all()
    assert abs((wanted**2).sum(axis=1) - 1).max() < 1e-6
    got = server.ask("/v1/embeddings", {"model": "tiny-summaries", "input": texts}).json
    assert [one["embedding"] for one in got["data"]] == wanted.tolist()
    assert got["usage"]["prompt_tokens"] > 0
    assert got["usage"]["edgekit"]["parts_read"] > 3  # the last is longer than the window
    for text, vector in zip(texts, wanted, strict=True):
        asked = {"model": "tiny-summaries", "input": text, "encoding_format": "base64"}
        [one] = server.ask("/v1/embeddings", asked).json["data"]
        assert base64.b64decode(one["embedding"]) == vector.tobytes()


def test_token_ids_are_refused_with_what_to_set(server: Running) -> None:
    for ids in ([1, 2], [[1, 2], [3]]):
        got = server.ask("/v1/embeddings", {"model": "tiny-summaries", "input": ids})
        assert (got.status, got.json["error"]["param"]) == (400, "input")
        assert "check_embedding_ctx_length" in got.json["error"]["message"]
    for body, field in (
        ({"input": ["lamp", "…"]}, "input[1]"), ({"input": "a", "dimensions": 8}, None),
        ({"input": []}, "input"), ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ):  # fmt: skip
        got = server.ask("/v1/embeddings", {"model": "tiny-summaries", **body})
        assert (got.status, got.json["error"]["param"]) == (400, field)


def test_an_answer_ends_before_a_stop(server: Running) -> None:
    asked = {"model": "tiny-chat", "messages": HELLO, "max_tokens": 40, "seed": 4}
    path = "/v1/chat/completions"
    whole = server.ask(path, asked).json["choices"][0]["message"]["content"]
    stop = whole[len(whole) // 2 :][:3]
    assert stop
    wanted = whole[: whole.index(stop)]
    for given in (stop, ["never in it", stop]):
        got = server.ask(path, {**asked, "stop": given}).json
        assert got["choices"][0]["message"]["content"] == wanted
        assert got["choices"][0]["finish_reason"] == "stop"
        assert got["usage"]["completion_tokens"] < 40
        streamed = server.ask(path, {**asked, "stop": given, "stream": True}).events
        pieces = [one["choices"][0]["delta"].get("content") or "" for one in streamed]
        assert "".join(pieces) == wanted
    held = server.ask(path, {**asked, "stop": whole + "?"}).json
    assert held["choices"][0]["message"]["content"] == whole

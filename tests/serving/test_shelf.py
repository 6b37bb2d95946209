"""Models are loaded when first asked, and make room for others when memory is short."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import EdgekitError, OutOfMemoryBudget
from tests.serving.running import Limits, Open, Running, running

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]
CLASSIFY = {"model": "tiny-intents", "input": "lamp"}
CHAT = {"model": "tiny-chat", "messages": HELLO, "max_tokens": 1}


def loaded(server: Running) -> list[str]:
    models = server.ask("/v1/models").json["data"]
    return [one["id"] for one in models if one["edgekit"]["loaded"]]


def needed(folder: Path) -> int:
    return edgekit.inspect(folder).needed_bytes


def test_nothing_is_loaded_before_it_is_asked(
    made_artifact: Path, made_chat_artifact: Path
) -> None:
    with running(made_artifact, made_chat_artifact) as server:
        assert loaded(server) == []
        server.ask("/v1/classify", CLASSIFY)
        assert loaded(server) == ["tiny-intents"]
        server.ask(PATH, CHAT)
        assert loaded(server) == ["tiny-intents", "tiny-chat"]


def gauges(server: Running) -> dict[str, float]:
    lines = server.ask("/metrics").body.decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)
            if "_bytes{" in name}  # fmt: skip


def test_memory_is_in_the_metrics(made_artifact: Path) -> None:
    with running(made_artifact) as server:
        before = gauges(server)
        assert before['edgekit_needed_bytes{artifact="tiny-intents"}'] == 0
        server.ask("/v1/classify", CLASSIFY)
        found = gauges(server)
    assert found['edgekit_needed_bytes{artifact="tiny-intents"}'] == needed(made_artifact)
    assert found['edgekit_memory_bytes{process="server"}'] > 1_000_000
    assert found['edgekit_memory_bytes{process="workers"}'] > 1_000_000


def test_idle_models_make_room(made_artifact: Path, made_chat_artifact: Path) -> None:
    most = max(needed(made_artifact), needed(made_chat_artifact)) + 1_000_000
    with running(
        made_artifact, made_chat_artifact, max_ram=f"{most / 1e6:.0f}MB",
        limits=Limits(memory_seconds=0.2),
    ) as server:  # fmt: skip
        for body, path, name in 2 * [(CLASSIFY, "/v1/classify", "tiny-intents"),
                                     (CHAT, PATH, "tiny-chat")]:  # fmt: skip
            assert server.ask(path, body).status == 200
            assert loaded(server) == [name]
        # A busy one stays, and the other is told to come again.
        endless = {"type": "object", "required": ["a"],
                   "properties": {"a": {"type": "string", "minLength": 2000}}}  # fmt: skip
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": endless}}
        body = {**CHAT, "max_tokens": None, "stream": True, "response_format": form}
        with Open(server, PATH, body) as stream:
            assert stream.head() == 200
            got = server.ask("/v1/classify", CLASSIFY)
            if got.status == 503:  # else the tiny model had filled its context already
                assert got.code == "out_of_memory"
                assert int(got.headers["retry-after"]) >= 1
        assert server.ask("/v1/classify", CLASSIFY).status in (200, 503)


def test_what_can_never_be_served_is_refused_at_the_start(
    made_artifact: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutOfMemoryBudget, match="--max-ram"), running(made_artifact, max_ram="1MB"):
        pass
    with pytest.raises(EdgekitError, match="max-ram"), running(made_artifact, max_ram="much"):
        pass
    twin = shutil.copytree(made_artifact, tmp_path / "twin")
    with pytest.raises(EdgekitError, match="called 'tiny-intents'"), running(made_artifact, twin):
        pass
    with pytest.raises(EdgekitError, match="no such folder"), running(tmp_path / "gone"):
        pass


def test_a_damaged_artifact_is_not_told_to_strangers(tiny_artifact: Path) -> None:
    model = tiny_artifact / "model.onnx"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    with running(tiny_artifact) as server:
        got = server.ask("/v1/classify", {"input": "lamp"})
        assert (got.status, got.code) == (500, "artifact_unusable")
        assert str(tiny_artifact) not in got.body.decode()
        line = server.logged(lambda line: line.get("why"))
        assert str(tiny_artifact) in line["why"]

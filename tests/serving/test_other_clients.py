"""Programs that speak OpenAI's protocol, unmodified: slow to import, and not among our extras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.running import Running

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def test_langchain(server: Running) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(
        model="tiny-chat", base_url=f"{server.url}/v1", api_key="none", max_tokens=8, seed=4,
        max_retries=0,
    )  # fmt: skip
    whole = model.invoke("Hello")
    assert whole.content
    assert "".join(str(piece.content) for piece in model.stream("Hello")) == whole.content
    light = {"type": "function", "function": {"name": "light", "description": "A lamp.",
             "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}},
                            "required": ["on"]}}}  # fmt: skip
    bound = model.bind_tools([light], tool_choice="light").bind(max_tokens=80)
    [call] = bound.invoke("Light, please").tool_calls
    assert call["name"] == "light"
    assert isinstance(call["args"]["on"], bool)


def test_langchain_embeddings(server: Running) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.OpenAIEmbeddings(
        model="tiny-summaries", base_url=f"{server.url}/v1", api_key="none", max_retries=0,
        check_embedding_ctx_length=False,
    )  # fmt: skip
    one, other = model.embed_documents(["a lamp", "a room"])
    assert model.embed_query("a lamp") == one != other


def test_llama_index(server: Running) -> None:
    like = pytest.importorskip("llama_index.llms.openai_like")
    model = like.OpenAILike(
        model="tiny-chat", api_base=f"{server.url}/v1", api_key="none", is_chat_model=True,
        max_tokens=8, max_retries=0, context_window=512,
    )  # fmt: skip
    assert str(model.complete("Hello"))
    assert "".join(str(piece.delta) for piece in model.stream_complete("Hello"))


def test_llm(server: Running, tmp_path: Path) -> None:
    pytest.importorskip("llm")
    (tmp_path / "extra-openai-models.yaml").write_text(
        json.dumps([{"model_id": "tiny", "model_name": "tiny-chat",
                     "api_base": f"{server.url}/v1", "api_key_name": "tiny"}])
    )  # fmt: skip
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-m", "llm", "-m", "tiny", "-o", "max_tokens", "8", "--key", "none"]
    for more in ([], ["--no-stream"]):
        done = subprocess.run([*command, *more, "Hello"], env=environment, capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_what_home_assistant_sends(server: Running) -> None:
    """GET /models; a first try with tools and three tokens; then a schema and a streamed call."""
    openai = pytest.importorskip("openai")
    tool = {"type": "function", "function": {
        "name": "HassTurnOn", "description": "Turns on", "strict": False,
        "parameters": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}},
                       "required": []}}}  # fmt: skip
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        name = next(one.id for one in client.models.list() if "chat" in one.id)
        asked = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
        first = client.chat.completions.create(**asked, max_tokens=3)
        assert first.choices[0].finish_reason in ("length", "stop", "tool_calls")
        chunks = list(client.chat.completions.create(
            **asked, tool_choice="required", stream=True, max_tokens=80, user="somebody"
        ))  # fmt: skip
        assert chunks[-1].choices[0].finish_reason == "tool_calls"

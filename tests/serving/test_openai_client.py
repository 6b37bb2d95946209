"""OpenAI's own Python client, unmodified: sync, async, streaming, structured output, tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, ConfigDict

from tests.serving.running import Running

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as found:
        yield found


def light(**more: object) -> dict[str, object]:
    """A tool: a lamp of one of two rooms."""
    parameters = {
        "type": "object",
        "properties": {
            "room": {"type": "string", "enum": ["hall", "kitchen"]}, "on": {"type": "boolean"},
        },
        "required": ["room", "on"],
        "additionalProperties": False,
    }  # fmt: skip
    function = {"name": "light", "description": "Turns a lamp on or off.",
                "parameters": parameters, **more}  # fmt: skip
    return {"type": "function", "function": function}


def test_models(client: OpenAI) -> None:
    assert "tiny-chat" in [model.id for model in client.models.list()]


def test_an_answer(client: OpenAI) -> None:
    got = client.chat.completions.create(
        model="tiny-chat", messages=HELLO, max_completion_tokens=9, seed=4, temperature=0.5,
        top_p=0.9, user="somebody", n=1, stop=None,
    )  # fmt: skip
    assert got.choices[0].message.content is not None
    assert got.usage is not None
    assert got.usage.completion_tokens == 9
    again = client.chat.completions.create(
        model="tiny-chat", messages=HELLO, max_completion_tokens=9, seed=4, temperature=0.5,
        top_p=0.9,
    )  # fmt: skip
    assert again.choices[0].message.content == got.choices[0].message.content


def test_a_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="tiny-chat", messages=HELLO, max_tokens=9, seed=4, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    whole = client.chat.completions.create(
        model="tiny-chat", messages=HELLO, max_tokens=9, seed=4
    ).choices[0]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 9


def test_an_accumulated_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="tiny-chat", messages=HELLO, response_format=Weather, max_tokens=200, seed=1
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert isinstance(final.choices[0].message.parsed, Weather)


def test_asynchronously(server: Running) -> None:
    async def ask() -> list[str]:
        async with AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="none", max_retries=0
        ) as client:
            got = await asyncio.gather(
                *(
                    client.chat.completions.create(
                        model="tiny-chat", messages=HELLO, max_tokens=5, temperature=0
                    )
                    for _ in range(8)
                )
            )
            pieces = []
            async for chunk in await client.chat.completions.create(
                model="tiny-chat", messages=HELLO, max_tokens=5, temperature=0, stream=True
            ):
                pieces.append(chunk.choices[0].delta.content or "")
        return [*(one.choices[0].message.content or "" for one in got), "".join(pieces)]

    said = asyncio.run(ask())
    assert len(set(said)) == 1


def test_errors_are_the_clients_own(client: OpenAI, server: Running) -> None:
    with pytest.raises(openai.NotFoundError, match="no such model"):
        client.chat.completions.create(model="gone", messages=HELLO)
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(
            model="tiny-chat", messages=[{"role": "user", "content": "Hello " * 600}]
        )
    assert wrong.value.code == "context_length_exceeded"
    assert wrong.value.param == "messages"


class Weather(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sky: Literal["clear", "cloudy"]
    degrees: Literal[10, 20]
    windy: bool


def test_structured_output(client: OpenAI) -> None:
    got = client.chat.completions.parse(
        model="tiny-chat", messages=HELLO, response_format=Weather, max_tokens=200, seed=1
    )
    assert isinstance(got.choices[0].message.parsed, Weather)
    free = client.chat.completions.create(
        model="tiny-chat", messages=HELLO, max_tokens=60, seed=1, temperature=0.1,
        response_format={"type": "json_object"},
    )  # fmt: skip
    assert (free.choices[0].message.content or "").startswith("{")
    with pytest.raises(openai.BadRequestError, match="pattern"):
        client.chat.completions.create(
            model="tiny-chat", messages=HELLO,
            response_format={"type": "json_schema", "json_schema": {
                "name": "a", "schema": {"type": "string", "pattern": "a+"}}},
        )  # fmt: skip


def test_embeddings(client: OpenAI) -> None:
    # The client asks for base64 by itself, and decodes it.
    got = client.embeddings.create(model="tiny-summaries", input=["a lamp", "a room"])
    plain = client.embeddings.create(
        model="tiny-summaries", input=["a lamp", "a room"], encoding_format="float"
    )
    assert [one.embedding for one in got.data] == [one.embedding for one in plain.data]
    assert got.usage.prompt_tokens == got.usage.total_tokens > 0
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model="tiny-summaries", input=[1, 2, 3])


@pytest.mark.parametrize("choice", ["required", "named"])
def test_a_tool_is_called(client: OpenAI, choice: str) -> None:
    named = {"type": "function", "function": {"name": "light"}}
    other = {"type": "function", "function": {"name": "radio"}}
    tools = [other, light(strict=True)] if choice == "named" else [light()]
    wanted = named if choice == "named" else choice
    asked = {"model": "tiny-chat", "messages": HELLO, "tools": tools, "tool_choice": wanted,
             "max_tokens": 100, "seed": 2}  # fmt: skip
    got = client.chat.completions.create(**asked).choices[0]
    assert got.finish_reason == "tool_calls"
    assert got.message.content is None
    [call] = got.message.tool_calls or []
    assert call.function.name == "light"
    arguments = json.loads(call.function.arguments)
    assert arguments["room"] in ("hall", "kitchen")
    assert isinstance(arguments["on"], bool)
    chunks = list(client.chat.completions.create(**asked, stream=True))
    deltas = [chunk.choices[0].delta.tool_calls[0] for chunk in chunks
              if chunk.choices[0].delta.tool_calls]  # fmt: skip
    assert deltas[0].function.name == "light"
    assert deltas[0].id
    assert len(deltas) > 2
    assert "".join(one.function.arguments or "" for one in deltas) == call.function.arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    # The tool's answer goes back, and the conversation goes on.
    more = client.chat.completions.create(
        model="tiny-chat", max_tokens=4, seed=1, tools=tools, tool_choice="none",
        messages=[*HELLO, got.message, {"role": "tool", "tool_call_id": call.id, "content": "on"}],
    )  # fmt: skip
    assert more.choices[0].finish_reason in ("stop", "length")
    assert more.choices[0].message.tool_calls is None


def test_a_tool_may_be_called(client: OpenAI) -> None:
    for seed in range(4):
        got = client.chat.completions.create(
            model="tiny-chat", messages=HELLO, tools=[light()], max_tokens=60, seed=seed
        ).choices[0]
        said, called = got.message.content, got.message.tool_calls
        assert (said is None) == bool(called)
        assert said is None or not said.startswith("<tool_call>")

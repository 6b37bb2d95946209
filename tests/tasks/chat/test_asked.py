"""What a request over HTTP becomes for a chat model: messages, a form of the answer, its calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgekit.runtime.gguf.engine import _Said
from edgekit.tasks.chat import answer_form, asked_messages, tool_calls
from edgekit.tasks.chat.tool_calls import CallReader, CallStart
from edgekit.tasks.routes import WrongField

CALL = {"id": "call_1", "type": "function",
        "function": {"name": "light", "arguments": '{"on": true}'}}  # fmt: skip
TOOL = {"type": "function", "function": {"name": "light", "parameters": {
    "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}}}  # fmt: skip


def test_tools_and_their_results_become_words() -> None:
    asked = asked_messages.of(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": one} for one in ("On", "!")]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done"},
            {"role": "tool", "tool_call_id": "call_2", "content": "also"},
        ],
        "You may call.",
    )  # fmt: skip
    assert [one["role"] for one in asked.messages] == ["system", "user", "assistant", "user"]
    assert asked.messages[0]["content"] == "Be brief.\n\nYou may call."
    assert asked.messages[1]["content"] == "On!"
    assert asked.messages[2]["content"] == (
        '<tool_call>\n{"name": "light", "arguments": {"on": true}}\n</tool_call>'
    )
    assert asked.messages[3]["content"].count("<tool_response>") == 2
    assert asked.given([2, 3]) == (2, 3, 4)
    told = asked_messages.of([{"role": "user", "content": "Hi"}], "You may call.").messages
    assert told == ({"role": "user", "content": "You may call.\n\nHi"},)


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([{"role": "system", "content": "a"}], "messages"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": "a", "tool_calls": [CALL]}], "messages[0].tool_calls"),
    ],
)
def test_messages_that_make_no_conversation(messages: list[Any], field: str) -> None:
    with pytest.raises(WrongField) as wrong:
        asked_messages.of(messages, "")
    assert wrong.value.field == field


def said(text: str, size: int) -> list[tool_calls.Said]:
    """What is read of an answer that comes in pieces of this size."""
    reader = CallReader(may_call=True)
    found = [one for at in range(0, len(text), size) for one in reader.add(text[at : at + size])]
    return [*found, *reader.end()]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_a_call_is_told_from_words(size: int) -> None:
    whole = '<tool_call>\n{"name": "light", "arguments": {"on": true, "a": "}\\n"}}\n</tool_call>'
    start, *rest = said(whole, size)
    assert start == CallStart("light")
    assert json.loads("".join(map(str, rest))) == {"on": True, "a": "}\n"}
    for words in ("Hello", "<b>", "", "<", "<too", "{}"):
        assert "".join(map(str, said(words, size))) == words
    cut = said(whole[:-20], size)
    assert cut[0] == CallStart("light")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "a"}}},
         "tool_choice"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
         "response_format.json_schema.schema"),
    ],
)  # fmt: skip
def test_forms_that_cannot_be(body: dict[str, Any], field: str) -> None:
    with pytest.raises(WrongField) as wrong:
        answer_form.of(body)
    assert wrong.value.field == field


def test_a_tool_that_cannot_be_held_to_is_free_unless_it_is_strict() -> None:
    function = {"name": "light", "parameters": {
        "type": "object", "properties": {"on": {"type": "string", "pattern": "a"}}}}  # fmt: skip
    free = answer_form.of({"tools": [{"type": "function", "function": function}]})
    assert "object" in str(free.grammar)
    with pytest.raises(WrongField, match="pattern"):
        answer_form.of({"tools": [{"type": "function", "function": {**function, "strict": True}}]})
    none = answer_form.of({"tools": [{"type": "function", "function": function}],
                           "tool_choice": "none"})  # fmt: skip
    assert (none.grammar, none.told) == (None, "")


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_nothing_of_a_stop_is_told(size: int) -> None:
    text = "Grüße, eins zwei END drei"
    for stops, wanted in (
        (("END",), "Grüße, eins zwei "),
        (("zwei END", "eins"), "Grüße, "),
        (("ENDE",), text),
        ((), text),
    ):
        pieces: list[str] = []
        heard = _Said(pieces.append, stops=stops)
        data = text.encode()
        for at in range(0, len(data), size):
            heard.add(data[at : at + size])
        heard.finish()
        assert "".join(pieces) == heard.text == wanted
        assert heard.stopped == (wanted != text)

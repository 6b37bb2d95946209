"""What form an answer must have: words, JSON, or a tool's call. Runs no model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.errors import DataError
from edgekit.tasks.chat import grammars, tool_calls
from edgekit.tasks.chat.tool_calls import Tool
from edgekit.tasks.routes import Body, WrongField

MOST_SCHEMA_CHARACTERS = 65_536
MOST_REPEATS = 50_000
_REPEATS = re.compile(r"\{([0-9]+),([0-9]*)\}")


@dataclass(frozen=True, slots=True)
class AnswerForm:
    grammar: str | None = None
    told: str = ""
    """What the model is told of it."""
    calls: bool = False


def of(body: Body) -> AnswerForm:
    """From `response_format`, `tools` and `tool_choice`; raises WrongField."""
    tools, choice = body.get("tools") or [], body.get("tool_choice")
    wanted = body.get("response_format") or {"type": "text"}
    if not tools and choice not in (None, "none", "auto"):
        raise WrongField("tool_choice", "tool_choice asks for a call and there are no tools.")
    if tools and choice != "none":
        if wanted["type"] != "text":
            raise WrongField(
                "response_format",
                "response_format and tools together would ask for two forms of one answer; send "
                "one of them, or tool_choice: none.",
            )
        return _calling(tools, choice)
    if wanted["type"] == "json_schema":
        return _fitting(wanted["json_schema"])
    if wanted["type"] == "json_object":
        return AnswerForm(grammars.ANY_OBJECT, "Answer with one JSON object alone.")
    return AnswerForm()


def _calling(given: list[Mapping[str, Any]], choice: Any) -> AnswerForm:
    tools = [_tool(one["function"], number) for number, one in enumerate(given)]
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise WrongField("tools", "Two tools have one name; a call could mean either.")
    must = choice == "required"
    if isinstance(choice, Mapping):
        must, name = True, choice["function"]["name"]
        if name not in names:
            raise WrongField("tool_choice", f"tool_choice: '{name}' is none of the tools.")
        tools = [tool for tool in tools if tool.name == name]
    try:
        found = tool_calls.grammar(tools, must=must)
    except DataError as error:
        raise WrongField("tools", str(error)) from error
    told = tool_calls.instruction(tools, must=must)
    return AnswerForm(_bounded(found, "tools"), told, calls=True)


def _tool(function: Mapping[str, Any], number: int) -> Tool:
    parameters = function.get("parameters") or {}
    _check_size(parameters, f"tools[{number}].function.parameters")
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=parameters,
        strict=bool(function.get("strict")),
    )


def _fitting(given: Mapping[str, Any]) -> AnswerForm:
    place = "response_format.json_schema.schema"
    schema = given.get("schema")
    if schema is None:
        raise WrongField(place, f"{place}: there is none; give the JSON Schema of the answer.")
    _check_size(schema, place)
    try:
        found = grammars.from_schema(schema, place=place)
    except DataError as error:
        raise WrongField(place, str(error)) from error
    shown = json.dumps(schema, ensure_ascii=False)
    return AnswerForm(
        _bounded(found, place), f"Answer with JSON alone, which fits this JSON Schema: {shown}"
    )


def check_form(schema: Any, grammar: str, place: str) -> None:
    """Raises WrongField for a schema that is too large, or made to fill the memory."""
    _check_size(schema, place)
    _bounded(grammar, place)


def _bounded(grammar: str, place: str) -> str:
    """The grammar, if it is not made to fill the memory: llama.cpp writes every repeat out."""
    repeats = sum(int(most or least) for least, most in _REPEATS.findall(grammar))
    if repeats > MOST_REPEATS:
        raise WrongField(
            place,
            f"{place}: the bounds of its lengths add up to {repeats:,}, and {MOST_REPEATS:,} are "
            "the most; leave some out.",
        )
    return grammar


def _check_size(schema: Any, place: str) -> None:
    size = len(json.dumps(schema))
    if size > MOST_SCHEMA_CHARACTERS:
        raise WrongField(
            place,
            f"{place}: a schema has at most {MOST_SCHEMA_CHARACTERS:,} characters here, not "
            f"{size:,}; leave out what the model need not be held to.",
        )

"""Calls of tools as text that a model is told to write, and back again. Runs no model.

The form is Hermes's, which many small models were trained on: a JSON object between <tool_call> and
</tool_call>. The grammar allows exactly that form, so that reading it needs no guesses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.errors import DataError
from edgekit.tasks.chat import grammars
from edgekit.tasks.chat.grammars import Between

OPEN, CLOSE = "<tool_call>\n", "\n</tool_call>"
_TAIL = "}" + CLOSE
_HEAD = re.compile(r'\{"name": "([a-zA-Z0-9_-]+)", "arguments": ')
# What does not begin like a call: a whole answer in words.
_WORDS = r'("" | [^<] any* | "<" ([^t] any*)? | "<t" ([^o] any*)?)'


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool

    def told(self) -> str:
        function = {
            "name": self.name, "description": self.description, "parameters": self.parameters,
        }  # fmt: skip
        return json.dumps({"type": "function", "function": function}, ensure_ascii=False)

    def between(self, place: str) -> Between:
        head = f'{OPEN}{{"name": "{self.name}", "arguments": '
        return Between(head, self._schema(place), _TAIL, place)

    def _schema(self, place: str) -> Mapping[str, Any] | None:
        """What the arguments are held to; None where any object may come.

        OpenAI holds arguments to a schema only where it is strict; here also where it can be.
        """
        if not self.parameters.get("properties"):
            return {"enum": [{}]}
        try:
            grammars.from_schema(self.parameters, place=place)
        except DataError:
            if self.strict:
                raise
            return None
        return self.parameters


def instruction(tools: Sequence[Tool], *, must: bool) -> str:
    """What a model is told of its tools."""
    listed = "\n".join(tool.told() for tool in tools)
    when = "Call one of these functions" if must else "You may call one of these functions"
    return (
        f"{when} to answer the user:\n<tools>\n{listed}\n</tools>\n\n"
        "A call is a JSON object with the function's name and arguments:\n"
        f'{OPEN}{{"name": "the name", "arguments": {{…}}}}{CLOSE}'
    )


def grammar(tools: Sequence[Tool], *, must: bool) -> str:
    """What a model may write: a call, or words unless it must call."""
    calls = [tool.between(f"tools[{number}].function.parameters")
             for number, tool in enumerate(tools)]  # fmt: skip
    return grammars.from_choices(calls, otherwise="" if must else _WORDS)


def written(calls: Sequence[Mapping[str, Any]]) -> str:
    """Earlier calls, as the model wrote them."""
    return "\n".join(
        f'{OPEN}{{"name": "{call["function"]["name"]}", "arguments": '
        f"{call['function']['arguments'] or '{}'}{_TAIL}"
        for call in calls
    )


def answered(results: Sequence[str]) -> str:
    """What tools returned, as a message of the user."""
    return "\n".join(f"<tool_response>\n{result}\n</tool_response>" for result in results)


@dataclass(frozen=True, slots=True)
class CallStart:
    """A call begins; the pieces that follow are its arguments."""

    name: str


Said = CallStart | str


class CallReader:
    """Tells a call from words while an answer is written."""

    def __init__(self, *, may_call: bool) -> None:
        self._held = ""
        self._words = not may_call
        self._called = False

    def add(self, piece: str) -> Iterator[Said]:
        if self._words:
            yield piece
            return
        self._held += piece
        if not self._called:
            if OPEN.startswith(self._held):
                return
            if not self._held.startswith(OPEN):
                self._words = True
                yield from self._all()
                return
            if (head := _HEAD.match(self._held, len(OPEN))) is None:
                return
            self._called = True
            self._held = self._held[head.end() :]
            yield CallStart(head[1])
        # The end of the call is no part of its arguments, and may have come already.
        ready, self._held = self._held[: -len(_TAIL)], self._held[-len(_TAIL) :]
        if ready:
            yield ready

    def end(self) -> Iterator[Said]:
        """What was held back; an answer that was cut off may lack the end of its call."""
        if self._called:
            self._held = self._held.removesuffix(_TAIL)
        yield from self._all()

    def _all(self) -> Iterator[str]:
        held, self._held = self._held, ""
        if held:
            yield held

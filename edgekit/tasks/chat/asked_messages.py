"""OpenAI's messages as a conversation here: tools and their results become words. No model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.data import conversation
from edgekit.data.conversation import Message
from edgekit.errors import DataError
from edgekit.tasks.chat import tool_calls
from edgekit.tasks.routes import WrongField


@dataclass(frozen=True, slots=True)
class Asked:
    messages: tuple[Message, ...]
    origins: tuple[tuple[int, ...], ...]
    """Which of the request's messages each of these was made from, by index."""

    def given(self, dropped: Iterable[int]) -> tuple[int, ...]:
        """The request's messages that were left out, from the conversation's."""
        return tuple(origin for at in dropped for origin in self.origins[at])


def of(messages: Sequence[Mapping[str, Any]], told: str) -> Asked:
    """The conversation; `told` is an instruction of our own. Raises WrongField."""
    made: list[dict[str, Any]] = []
    origins: list[list[int]] = []
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            result = tool_calls.answered([_text(message, number)])
            if made and made[-1].get("tool"):
                # Templates expect the roles in turns.
                made[-1]["content"] += f"\n{result}"
                origins[-1].append(number)
                continue
            made.append({"role": "user", "content": result, "tool": True})
        else:
            made.append(_message(message, number))
        origins.append([number])
    if told:
        _tell(made, told)
    plain = [{"role": one["role"], "content": one["content"]} for one in made]
    try:
        checked = conversation.messages(plain)
    except DataError as error:
        raise WrongField("messages", str(error)) from error
    return Asked(tuple(checked), tuple(map(tuple, origins)))


def _message(message: Mapping[str, Any], number: int) -> dict[str, Any]:
    role = "system" if message["role"] == "developer" else message["role"]
    calls = message.get("tool_calls") or ()
    if calls and role != "assistant":
        raise WrongField(
            f"messages[{number}].tool_calls",
            f"messages[{number}] is of the {role} and has tool_calls; only the assistant's may.",
        )
    content = "" if calls and message.get("content") is None else _text(message, number)
    parts = [part for part in (content, tool_calls.written(calls)) if part]
    return {"role": role, "content": "\n".join(parts)}


def _text(message: Mapping[str, Any], number: int) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None:
        raise WrongField(
            f"messages[{number}].content", f"messages[{number}] has no content; give it a text."
        )
    return "".join(part["text"] for part in content)


def _tell(made: list[dict[str, Any]], told: str) -> None:
    """Some templates have no system role: an instruction goes where the caller's own stands."""
    for role in ("system", "user"):
        for one in made:
            if one["role"] == role and not one.get("tool"):
                one["content"] = f"{one['content']}\n\n{told}" if role == "system" else (
                    f"{told}\n\n{one['content']}"
                )  # fmt: skip
                return

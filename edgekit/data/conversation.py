"""The messages and answers of a conversation as plain values. Knows no model and no template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from edgekit.errors import DataError, EdgekitError

ROLES = ("system", "user", "assistant")
DAY = datetime(2025, 1, 1)
"""Some templates put the date into the prompt; where answers are compared, it is this one."""
Ended = Literal["stop", "max_tokens", "context", "cancelled"]
"""Why an answer ended: the model ended it, it reached the token limit, the context is full, or it
was cancelled."""
WhenFull = Literal["error", "drop_oldest"]
"""What happens to a conversation that is longer than the model's context."""

Message = dict[str, str]
"""`{"role": …, "content": …}`, as checked by `messages`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is sampled; None means what the model's authors recommend."""

    max_tokens: int | None = None
    """Most tokens of the answer; None: as many as the context holds."""
    temperature: float | None = None
    """With 0, always the likeliest token."""
    top_p: float | None = None
    seed: int | None = None
    """The same seed gives the same answer to the same messages; None is a new one each time."""
    when_full: WhenFull = "error"
    grammar: str | None = None
    """GBNF grammar that constrains the answer."""
    stop: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    begun: str = ""
    """What the answer begins with: one that was cut is continued, and told from there on."""
    drafts: bool = False
    """The answer repeats much of the prompt: what comes next is looked up there, and read in
    batches. The same answer as without guesses; its rounding is that of batches of two tokens."""

    def __post_init__(self) -> None:
        wrong = {
            "max_tokens must be 1 or more": self.max_tokens is not None and self.max_tokens < 1,
            "temperature must be from 0 to 10": not _within(self.temperature, 0, 10),
            "top_p must be over 0 and at most 1": not _within(self.top_p, 1e-6, 1),
            "seed must be from 0 to 4294967294": not _within(self.seed, 0, 2**32 - 2),
            "stop must be texts that are not empty": not all(self.stop),
        }
        for sentence, holds in wrong.items():
            if holds:
                raise EdgekitError(f"{sentence}; leave it out to have the model's own.")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Sampling:
        return cls(**{**value, "stop": tuple(value["stop"])})


def _within(value: float | None, low: float, high: float) -> bool:
    return value is None or (math.isfinite(value) and low <= value <= high)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, and how the prompt was read."""

    text: str
    ended: Ended
    dropped: tuple[int, ...]
    """Indexes of messages that were left out of the prompt, from 0; the oldest ones, if any."""
    prompt_tokens: int
    reused_tokens: int
    """Tokens of the prompt that were still in the KV cache from an earlier call."""
    tokens: int
    """Tokens of the answer."""
    drafted_tokens: int = 0
    """Tokens that were guessed while it was written."""
    accepted_tokens: int = 0
    """Tokens of the answer that had been guessed."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reply:
        return cls(**{**value, "dropped": tuple(value["dropped"])})


def messages(given: Iterable[Mapping[str, Any]]) -> list[Message]:
    """Checks OpenAI-style messages; raises DataError for content that would not reach the model.

    `content` may be a string or a list of `{"type": "text", "text": …}`.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise DataError(
            "Messages are a list of mappings with 'role' and 'content', such as "
            "[{'role': 'user', 'content': 'Hello'}]."
        )
    checked = [_message(message, number) for number, message in enumerate(given, start=1)]
    if not any(message["role"] == "user" for message in checked):
        raise DataError("There is no message of the user to answer; add one with role 'user'.")
    if checked[-1]["role"] == "assistant":
        raise DataError("The last message is the assistant's own; end with one of the user.")
    return checked


def _message(message: Any, number: int) -> Message:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise DataError(f"Message {number} is no mapping with 'role' and 'content'.")
    unknown = set(message) - {"role", "content"}
    if unknown:
        raise DataError(
            f"Message {number} has '{sorted(map(str, unknown))[0]}', which the model would not "
            "see; a message has 'role' and 'content'."
        )
    if message["role"] not in ROLES:
        raise DataError(
            f"Message {number} has the role '{message['role']}'; roles are {', '.join(ROLES)}."
        )
    return {"role": message["role"], "content": _content(message.get("content"), number)}


def _content(content: Any, number: int) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and all(
        isinstance(part, Mapping)
        and part.get("type") == "text"
        and isinstance(part.get("text"), str)
        for part in content
    ):
        return "".join(part["text"] for part in content)
    raise DataError(f"The content of message {number} is no text; models here read text alone.")


def oldest_turn(checked: Sequence[Message]) -> int:
    """How many messages after the system's make up the oldest turn that can be dropped; 0 if none.

    A turn is what the user said and the answer to it; the user's last message always stays.
    """
    start = next((at for at, one in enumerate(checked) if one["role"] != "system"), len(checked))
    asked = [at for at, one in enumerate(checked) if one["role"] == "user" and at > start]
    return asked[0] - start if asked else 0

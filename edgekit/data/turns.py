"""The turns of a conversation in the forms that training rows have. Knows no model.

Read are `messages` (OpenAI's role and content), `conversations` (ShareGPT's from and value) and
`instruction`, `input`, `output` (Alpaca's), the last two with an optional column `system`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgekit.data.records import Record
from edgekit.errors import DataError

Turn = Mapping[str, str]
"""One turn: `role` and `content`."""

CONVERSATIONS = "conversations"
_SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "system": "system",
}
_NAMES = (("role", "content"), ("from", "value"))


def read(record: Record, column: str, place: str) -> tuple[Turn, ...]:
    """The turns of a row, `column` being that of messages; none if it holds no conversation.

    Raises DataError with the number of the message that is wrong.
    """
    for name in (column, CONVERSATIONS):
        turns = parsed(record, name, place)
        if turns is not None:
            found = _turns(turns, f"{place}: column '{name}'")
            return found if name == column else (*_system(record, place), *found)
    if record.get("instruction") and record.get("output"):
        return (*_system(record, place), *_instructed(record, place))
    return ()


def parsed(record: Record, column: str, place: str) -> Any:
    """A JSON value, which in a CSV file is text; None where there is none."""
    value = record.get(column)
    if value is None or value == "":
        return None
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise DataError(f"{place}: column '{column}' is not JSON ({error}); mend it.") from error


def _turns(turns: Any, place: str) -> tuple[Turn, ...]:
    if not isinstance(turns, list) or not turns:
        raise DataError(
            f"{place} must be a list of turns such as "
            '[{"role": "user", "content": "…"}]; mend it.'
        )
    return tuple(_turn(one, f"{place}, message {number}") for number, one in enumerate(turns, 1))


def _turn(turn: Any, place: str) -> Turn:
    if not isinstance(turn, dict):
        raise DataError(f'{place} must be {{"role": "user", "content": "…"}}; mend it.')
    role_key, content_key = next(
        (names for names in _NAMES if names[0] in turn or names[1] in turn), _NAMES[0]
    )
    for key in (role_key, content_key):
        value = turn.get(key)
        if not isinstance(value, str) or not value.strip():
            fault = "is empty" if value is None or value == "" else "must be text"
            told = f"it has no '{key}'" if key not in turn else f"its '{key}' {fault}"
            raise DataError(f"{place}: {told}; fill it, or remove the row.")
    role = turn[role_key]
    if role_key == "from" and role not in _SPEAKERS:
        raise DataError(
            f"{place}: it is from '{role[:40]}', and models here know "
            f"{', '.join(sorted(set(_SPEAKERS.values())))}; write one of them, or remove the row."
        )
    return {"role": _SPEAKERS.get(role, role), "content": turn[content_key]}


def _instructed(record: Record, place: str) -> tuple[Turn, ...]:
    """What Alpaca's columns say: the input, if there is one, follows its instruction."""
    texts = {}
    for name in ("instruction", "input", "output"):
        value = record.get(name) or ""
        if not isinstance(value, str):
            raise DataError(f"{place}: column '{name}' must be text; make it a string.")
        texts[name] = value
    asked = "\n\n".join(text for text in (texts["instruction"], texts["input"]) if text.strip())
    return (
        *_earlier(record, place),
        {"role": "user", "content": asked},
        {"role": "assistant", "content": texts["output"]},
    )


def _earlier(record: Record, place: str) -> tuple[Turn, ...]:
    """The pairs of question and answer in `history`, which some Alpaca files have."""
    pairs = parsed(record, "history", place) or []
    found: list[Turn] = []
    for pair in pairs if isinstance(pairs, list) else [None]:
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_text, pair))):
            raise DataError(
                f"{place}: column 'history' must be a list of pairs such as "
                '[["question", "answer"]]; mend it.'
            )
        found += [
            {"role": "user", "content": pair[0]},
            {"role": "assistant", "content": pair[1]},
        ]
    return tuple(found)


def _system(record: Record, place: str) -> tuple[Turn, ...]:
    said = record.get("system")
    if said is None or said == "":
        return ()
    if not _is_text(said):
        raise DataError(f"{place}: column 'system' must be text; make it a string.")
    return ({"role": "system", "content": said},)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())

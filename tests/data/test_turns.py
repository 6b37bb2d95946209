"""Conversations are read in each form that people's files have, or refused with their message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.data.rows import read_documents
from edgekit.errors import DataError

ASKED, ANSWERED = "Is it warm?", "It is 21 degrees."
TURNS = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}]
SYSTEM = {"role": "system", "content": "Be brief."}
SHAREGPT = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": ANSWERED}]

FORMS: dict[str, tuple[dict[str, Any], list[dict[str, str]]]] = {
    "messages": ({"messages": TURNS}, TURNS),
    "ShareGPT": ({"conversations": SHAREGPT}, TURNS),
    "ShareGPT in messages": ({"messages": SHAREGPT}, TURNS),
    "roles in conversations": ({"conversations": TURNS}, TURNS),
    "ShareGPT with a system": (
        {"conversations": SHAREGPT, "system": "Be brief."},
        [SYSTEM, *TURNS],
    ),
    "ShareGPT as text": ({"conversations": json.dumps(SHAREGPT)}, TURNS),
    "Alpaca": ({"instruction": ASKED, "input": "", "output": ANSWERED}, TURNS),
    "Alpaca without input": ({"instruction": ASKED, "output": ANSWERED}, TURNS),
    "Alpaca with its text": (
        {"instruction": ASKED, "input": "", "output": ANSWERED, "text": "### Instruction: …"},
        TURNS,
    ),
    "Alpaca with input": (
        {"instruction": "Translate.", "input": "warm", "output": "chaud"},
        [
            {"role": "user", "content": "Translate.\n\nwarm"},
            {"role": "assistant", "content": "chaud"},
        ],
    ),
    "Alpaca with history": (
        {
            "instruction": ASKED,
            "input": "",
            "output": ANSWERED,
            "history": [["Hello", "Good day"]],
            "system": "Be brief.",
        },
        [
            SYSTEM,
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Good day"},
            *TURNS,
        ],
    ),
}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no list": ({"messages": {"role": "user"}}, "column 'messages' must be a list of turns"),
    "an empty list": ({"messages": []}, "column 'messages' must be a list of turns"),
    "no turn": (
        {"messages": [TURNS[0], "hello"]},
        """column 'messages', message 2 must be {"role": "user", "content": "…"}""",
    ),
    "no content": (
        {"messages": [*TURNS, {"role": "user"}]},
        "column 'messages', message 3: it has no 'content'",
    ),
    "empty content": (
        {"messages": [{"role": "user", "content": ""}]},
        "column 'messages', message 1: its 'content' is empty",
    ),
    "a number": (
        {"messages": [TURNS[0], {"role": "assistant", "content": 7}]},
        "column 'messages', message 2: its 'content' must be text",
    ),
    "somebody else": (
        {"conversations": [SHAREGPT[0], {"from": "function_call", "value": "{}"}]},
        "column 'conversations', message 2: it is from 'function_call'",
    ),
    "no value": (
        {"conversations": [{"from": "human"}]},
        "column 'conversations', message 1: it has no 'value'",
    ),
    "an instruction that is no text": (
        {"instruction": ["Do it"], "output": "Done"},
        "column 'instruction' must be text",
    ),
    "half a history": (
        {"instruction": "Do it", "output": "Done", "history": [["Hello"]]},
        "column 'history' must be a list of pairs",
    ),
}


def written(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(("record", "turns"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_a_conversation_is_the_same_messages(
    record: dict[str, Any], turns: list[dict[str, str]], tmp_path: Path
) -> None:
    [row] = read_documents(written(tmp_path, record))
    assert list(row.messages) == turns
    assert row.text == "\n".join(turn["content"] for turn in turns)


@pytest.mark.parametrize(("record", "sentence"), BAD.values(), ids=BAD.keys())
def test_a_bad_conversation_is_named_by_file_line_and_message(
    record: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = written(tmp_path, {"text": "a text"}, record)
    with pytest.raises(DataError) as caught:
        read_documents(path)
    assert str(caught.value).startswith(f"{path}:2: {sentence}")

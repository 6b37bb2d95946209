"""A child's progress and answer come through; its death costs an error and not this process."""

from __future__ import annotations

import pytest

from edgekit.errors import ExportError
from edgekit.system.child import run_apart


def run(word: str, heard: list[float] | None = None) -> dict[str, object]:
    listen = None if heard is None else heard.append
    return run_apart(
        "tests.system.child_example", word, doing="trying", format="gguf", on_progress=listen
    )


def test_fractions_and_the_answer_come_through() -> None:
    heard: list[float] = []
    assert run("hello", heard) == {"said": "hello"}
    assert heard == [0.25, 0.5]
    assert run("nobody listens") == {"said": "nobody listens"}


def test_what_a_child_refuses_is_told() -> None:
    with pytest.raises(ExportError, match=r"gguf: trying failed: rows\.csv: it is empty; fill it"):
        run("refuse")


def test_a_child_that_aborts_costs_an_error_with_its_last_words() -> None:
    with pytest.raises(ExportError, match=r"gguf: trying failed \(llama\.cpp says something\)"):
        run("abort")

"""A summary on a real terminal (a PTY): nothing in its text, its file or its name commands that."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import HOSTILE
from test_terminal import Terminal, harmless, own_commands, pytestmark  # noqa: F401
from tiny_summarizer import make_summarizer


@pytest.fixture
def started() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.kill()


def test_nothing_hostile_in_a_summary_reaches_the_terminal(
    tmp_path: Path, started: list[Terminal]
) -> None:
    seen: list[set[bytes]] = []
    for name, texts in (("plain", ("the lamp shines",)), ("hostile", HOSTILE)):
        folder = tmp_path / name
        make_summarizer(folder / "tiny")
        lines = "\n\n".join(f"The lamp {harmless(text)} shines, they say." for text in texts)
        (folder / f"letter {HOSTILE[2] if name == 'hostile' else ''}.txt").write_text(
            lines, encoding="utf-8", newline=""
        )
        os.chdir(folder)
        terminal = Terminal(EDGEKIT_DATA=str(tmp_path / f"data-{name}"))
        started.append(terminal)
        terminal.wait_for("tiny-summaries")
        terminal.press("\r")
        terminal.wait_for("30 words")
        terminal.press("\x06")  # ctrl f
        terminal.wait_for("Choose a text")
        terminal.press("letter")
        terminal.wait_for("letter .txt")
        terminal.press("\r")
        terminal.wait_for("lamp")
        terminal.press("\x1b[D")  # the longest: every sentence
        terminal.wait_for("1,000")
        terminal.press("\x13")  # ctrl s
        terminal.wait_for("parts read")
        terminal.wait_for("at the beginning")
        terminal.press("\x1b[B\x1b[F")
        terminal.wait_for("lamp")
        terminal.press("e")
        terminal.wait_for("Formats")
        terminal.press("\r")
        terminal.wait_for("was written to")
        assert terminal.quit() == 0
        seen.append(own_commands(terminal.sent))
        assert b"SECRET" not in terminal.sent
        without_pointer = re.sub(rb"\x1b\]22;[a-z-]*\x07", b"", terminal.sent)
        assert not re.search(rb"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]", without_pointer)
        assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069]", terminal.sent.decode("utf-8"))
    assert seen[1] <= seen[0], "commands that no harmless text brings about"

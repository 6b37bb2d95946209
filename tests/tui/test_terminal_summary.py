"""A summary on a real terminal (a PTY): nothing in its text, its file or its name commands that."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.tiny.summarizer import make_summarizer
from tests.tui.hostile import HOSTILE
from tests.tui.pty_terminal import Terminal, check_harmless, harmless, own_commands

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no PTYs")


def test_nothing_hostile_in_a_summary_reaches_the_terminal(
    tmp_path: Path, terminals: list[Terminal]
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
        terminals.append(terminal)
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
        check_harmless(terminal.sent)
        seen.append(own_commands(terminal.sent))
    assert seen[1] <= seen[0], "commands that no harmless text brings about"

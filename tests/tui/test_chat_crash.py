"""kill -9 in the middle of an answer: every message that a person saw to be said is there."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest
from edgekit_tui import places
from edgekit_tui.history import History

from tests.tui import chat_child


@pytest.mark.parametrize("seed", range(2))
def test_no_acknowledged_message_is_lost(seed: int) -> None:
    _kill_and_look(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 52))
def test_no_acknowledged_message_is_lost_in_fifty_kills(seed: int) -> None:
    _kill_and_look(seed)


def _kill_and_look(seed: int) -> None:
    chance = random.Random(seed)
    # The child imports what this process can, tests too: pytest put their root on the path.
    path = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.tui.chat_child"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert process.stdout is not None
    last = chance.randrange(3)
    acknowledged = []
    for line in process.stdout:
        acknowledged.append(int(line))
        if acknowledged[-1] == last:
            break
    time.sleep(chance.random() / 5)  # anywhere in the answer, or in what follows it
    process.kill()
    acknowledged += [int(line) for line in process.stdout]
    process.stdout.close()
    process.wait()

    history = History(places.history_file())
    (chat,) = history.chats()
    turns = history.turns(chat.id, most=None)
    said = [turn.text for turn in turns if turn.role == "user"]
    assert len(acknowledged) > last
    assert said[: len(acknowledged)] == [f"question {number}" for number in acknowledged]
    assert all(chat_child.is_beginning(turn.text) for turn in turns if turn.role == "assistant")
    assert history._database.ask("PRAGMA integrity_check")[0][0] == "ok"
    history._database.ask("INSERT INTO words (words) VALUES ('integrity-check')")
    history.say(chat.id, "and it goes on")

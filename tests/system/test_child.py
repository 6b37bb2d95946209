"""A child's progress and answer come through; its death costs an error and not this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from edgekit.errors import ExportError
from edgekit.system import child, wire

MODULE = "tests.system.child_example"


def ask(verb: str, word: str = "", on_piece: Callable[[Any], None] = lambda piece: None) -> Any:
    return child.ask(MODULE, verb, {"word": word}, doing="gguf: trying", on_piece=on_piece)


def test_fractions_and_the_answer_come_through() -> None:
    heard: list[float] = []
    assert ask("say", "hello", heard.append) == {"said": "hello"}
    assert heard == [0.25, 0.5]
    assert ask("say", "nobody listens") == {"said": "nobody listens"}


def test_a_large_request_comes_through() -> None:
    """Far more than a pipe holds at once."""
    word = "é" * 2_000_000
    assert ask("say", word) == {"said": word}


def test_what_a_child_refuses_is_told() -> None:
    with pytest.raises(ExportError, match=r"gguf: trying failed: rows\.csv: it is empty; fill it"):
        ask("refuse")


def test_a_child_that_aborts_costs_an_error_with_its_last_words() -> None:
    with pytest.raises(ExportError, match=r"gguf: trying failed \(llama\.cpp says something\)"):
        ask("abort")


def test_other_programs_are_to_blame_where_the_memory_ran_out_alone() -> None:
    with pytest.raises(ExportError, match=r"MemoryError.*close other programs"):
        ask("take too much")
    with pytest.raises(ExportError, match=r"^((?!other programs).)*$"):
        ask("abort")


def test_it_ends_with_its_parent_in_the_middle_of_its_work() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "edgekit.system.serving", MODULE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child.environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        wire.send(process.stdin, {"id": 0, "verb": "work for long"})
        assert wire.receive(process.stdout) == {"id": 0, "piece": 0.0}
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_copy_leaves_the_child_to_its_parent() -> None:
    """Also where a thread of the parent, which no copy has, holds the lock for ever."""
    held, enough = threading.Event(), threading.Event()
    with child.Child(MODULE, lambda how, said: ExportError(how + said)) as one:

        def hold() -> None:
            with one._lock:
                held.set()
                enough.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        copy = os.fork()
        if copy == 0:
            signal.alarm(20)
            one.end()
            os._exit(0)
        ended = os.waitpid(copy, 0)[1]
        enough.set()
        thread.join()
        assert os.waitstatus_to_exitcode(ended) == 0
        assert one.ask("say", {"word": "still here"}) == {"said": "still here"}

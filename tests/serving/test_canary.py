"""No answer holds anything of another's: each client has a secret in its system prompt."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgekit.serving import keys
from edgekit.serving.keys import Key
from tests.serving.running import Open, Running, running

PATH = "/v1/chat/completions"


def secret_of(client: int) -> str:
    return f"canary-{client:03}-{random.Random(client).getrandbits(48):012x}"


def asked(client: int, turn: int, **more: object) -> dict[str, object]:
    """A question whose greedy answer is a function of its words alone."""
    messages = [
        {"role": "system", "content": f"Your secret is {secret_of(client)}. Never mind it."},
        {"role": "user", "content": f"Question {turn}: what is it?"},
    ]
    return {"messages": messages, "max_tokens": 6, "temperature": 0, **more}


def content(server: Running, client: int, turn: int, secret: str) -> str:
    got = server.ask(PATH, asked(client, turn), secret=secret)
    assert got.status == 200, got.body
    return str(got.json["choices"][0]["message"]["content"])


def play(artifact: Path, folder: Path, *, clients: int, answers: int, slots: int) -> None:
    """Asks in a random order, some of it cancelled, with a key for every fourth client."""
    file = folder / "keys.json"
    secrets = [keys.add(file, Key(f"key {number}", "", "")) for number in range(4)]
    turns = [(client, turn) for turn in range(-(-answers // clients)) for client in range(clients)]
    turns = turns[:answers]
    with running(artifact, keys=file, waiting=2 * clients, slots=slots) as server:
        alone = {one: content(server, *one, secrets[one[0] % 4]) for one in turns}

        def ask(one: tuple[int, int]) -> tuple[tuple[int, int], str]:
            client, turn = one
            secret = secrets[client % 4]
            if turn % 3 == 0:
                # It leaves as soon as the first words come, or before.
                leaving = Running(port=server.port, secret=secret)
                with Open(leaving, PATH, asked(client, turn, stream=True)) as stream:
                    if client % 2:
                        stream.head()
            return one, content(server, client, turn, secret)

        random.Random(3).shuffle(turns)
        with ThreadPoolExecutor(clients) as pool:
            found = dict(pool.map(ask, turns))
    foreign = [
        one for one, text in found.items()
        if any(secret_of(other) in text for other in range(clients) if other != one[0])
    ]  # fmt: skip
    assert foreign == []
    # Not one word differs from the answer that was given while nobody else asked.
    assert {one: text for one, text in found.items() if text != alone[one]} == {}


def test_no_foreign_words(made_chat_artifact: Path, tmp_path: Path) -> None:
    play(made_chat_artifact, tmp_path, clients=8, answers=48, slots=1)


def test_nor_with_several_processes(made_chat_artifact: Path, tmp_path: Path) -> None:
    play(made_chat_artifact, tmp_path, clients=6, answers=24, slots=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_foreign_words_in_a_thousand_answers(made_chat_artifact: Path, tmp_path: Path) -> None:
    play(made_chat_artifact, tmp_path, clients=64, answers=1000, slots=1)

"""Sixty-four clients for a while: what they got, how long it took, and what the server held.

`python -m tests.serving.soak SECONDS CLASSIFIER CHAT SUMMARIZER` prints it for your artifacts.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from edgekit.artifact.folder import read
from edgekit.serving import keys
from edgekit.serving.keys import Key
from tests.serving.running import Open, Running
from tests.serving.test_command import served

CLIENTS, KEYS, WAITING = 64, 4, 48
TEXTS = ("turn up the heating", "play a song, please", "éteins la lumière", "关灯", "a lamp")
LONG = "The lamp is on. The heating is off. Play a song, please. " * 12

Asked = tuple[str, dict[str, Any]]
Got = tuple[float, float, str]
"""When an answer came, how many seconds it took, and the path."""


@dataclass
class Soak:
    answers: list[Got] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[Any] = field(default_factory=list)
    left: int = 0
    """Streams that their clients left."""
    held: list[tuple[float, int]] = field(default_factory=list)
    """Bytes of the server and its workers in memory, and when."""

    def growth(self) -> tuple[int, int]:
        """The most bytes in the second quarter of the time, and in the last."""
        quarter = len(self.held) // 4
        return (
            max(size for _, size in self.held[quarter : 2 * quarter]),
            max(size for _, size in self.held[-quarter:]),
        )

    def lines(self) -> list[str]:
        early, late = self.growth()
        found = [
            f"{sum(self.statuses.values()):,} requests {dict(sorted(self.statuses.items()))}, "
            f"{self.left} left by their clients, {len(self.wrong)} wrong answers",
            f"in memory: {early / 1e6:.0f} MB in the second quarter, {late / 1e6:.0f} in the last",
        ]
        for path in sorted({path for _, _, path in self.answers}):
            took = sorted(seconds for _, seconds, one in self.answers if one == path)
            middle, late_ones = took[len(took) // 2], took[int(len(took) * 0.95)]
            found.append(
                f"{path}: {len(took):,} answers, median {middle:.2f} s, p95 {late_ones:.2f} s"
            )
        return found


def questions(classifier: str, chat: str, summarizer: str) -> list[Asked]:
    """Each has one answer, whoever asks and whoever else does."""
    said = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
        for text in TEXTS
    ]
    return [
        *(("/v1/classify", {"model": classifier, "input": text}) for text in TEXTS),
        ("/v1/classify", {"model": classifier, "input": list(TEXTS)}),
        *(
            ("/v1/chat/completions",
             {"model": chat, "messages": one, "max_tokens": 6, "temperature": 0})
            for one in said
        ),
        ("/v1/summarize", {"model": summarizer, "input": LONG, "words": 12}),
        ("/v1/embeddings", {"model": summarizer, "input": list(TEXTS[:3])}),
    ]  # fmt: skip


def soak(artifacts: Sequence[Path], seconds: float) -> Soak:
    """Raises nothing of what goes wrong with requests: it is in the outcome."""
    asked = questions(*(read(one).manifest.name for one in artifacts))
    found, lock = Soak(), threading.Lock()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keys.json"
        secrets = [keys.add(file, Key(f"key {number}", "", "")) for number in range(KEYS)]
        options = ("--keys", str(file), "--waiting", str(WAITING), "--log", "off")
        with served(*map(str, artifacts), *options) as (process, port):
            alone = [_answer(port, one, secrets[0])[1] for one in asked]
            until = time.monotonic() + seconds
            watched = threading.Thread(target=_watch, args=(process.pid, found, until))
            clients = [
                threading.Thread(
                    target=_client,
                    args=(number, port, secrets[number % KEYS], asked, alone, until, found, lock),
                )
                for number in range(CLIENTS)
            ]
            for thread in (watched, *clients):
                thread.start()
            for thread in (watched, *clients):
                thread.join()
            # Afterwards it answers as it did before.
            for one, wanted in zip(asked, alone, strict=True):
                status, got = _answer(port, one, secrets[0])
                if (status, got) != (200, wanted):
                    found.wrong.append((one, status, got))
    return found


def _client(
    number: int, port: int, secret: str, asked: Sequence[Asked], alone: Sequence[Any],
    until: float, found: Soak, lock: threading.Lock,
) -> None:  # fmt: skip
    generator = random.Random(number)
    while time.monotonic() < until:
        at = generator.randrange(len(asked))
        path, body = asked[at]
        if path.endswith("completions") and generator.random() < 0.2:
            _leave(port, secret, body, generator)
            with lock:
                found.left += 1
            continue
        began = time.monotonic()
        status, got = _answer(port, asked[at], secret)
        ended = time.monotonic()
        with lock:
            found.statuses[status] += 1
            if status == 200:
                found.answers.append((ended, ended - began, path))
                if got != alone[at]:
                    found.wrong.append((asked[at], got))
        if status != 200:
            # A server says when to come again; a second is as long as a test can wait.
            time.sleep(generator.uniform(0.1, 1))


def _answer(port: int, asked: Asked, secret: str) -> tuple[int, Any]:
    """The status, and what of the answer may not depend on anybody else."""
    path, body = asked
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {"content-type": "application/json", "authorization": f"Bearer {secret}"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        got = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        return response.status, got
    return 200, [got.get("data"), got.get("text"),
                 [one["message"] for one in got.get("choices", [])]]  # fmt: skip


def _leave(port: int, secret: str, body: dict[str, Any], generator: random.Random) -> None:
    server = Running(port=port, secret=secret)
    with (
        contextlib.suppress(OSError),
        Open(server, "/v1/chat/completions", {**body, "stream": True}) as stream,
    ):
        if generator.random() < 0.5:
            stream.line()


def _watch(pid: int, found: Soak, until: float) -> None:
    while time.monotonic() < until:
        held = 0
        server = psutil.Process(pid)
        for one in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                held += one.memory_info().rss
        found.held.append((time.monotonic(), held))
        time.sleep(0.25)


if __name__ == "__main__":
    print(*soak([Path(one) for one in sys.argv[2:]], float(sys.argv[1])).lines(), sep="\n")

"""Measures what a server costs: `python -m tests.serving.measure CLASSIFIER CHAT TEXTS.txt`.

Each round asks the Python call and the server in turn, so that both meet the same machine; medians
are printed with the load. What asks is as light as can be, since it shares the cores.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

import edgekit
from tests.serving.running import Open, Running
from tests.serving.test_command import served

ROUNDS, TEXTS, BATCH, TOKENS, SYSTEM_LINES = 7, 512, 64, 96, 100
CLIENTS, MANY = 4, 32


def main(classifier: str, chat: str, texts: str) -> None:
    lines = [line for line in Path(texts).read_text(encoding="utf-8").splitlines() if line.strip()]
    lines = (lines * (TEXTS // len(lines) + 1))[:TEXTS]
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {TEXTS} texts of "
          f"{statistics.mean(map(len, lines)):.0f} characters, {ROUNDS} rounds")  # fmt: skip
    # In a process of its own, as it is run: here it would share Python's lock with the clients.
    with served(classifier, chat, "--log", "off") as (process, port):
        server = Running(port=port)
        with edgekit.load(classifier) as model:
            _labels(server, model, lines, psutil.Process(process.pid))
        with edgekit.load(chat) as model:
            _tokens(server, model)
            _first_words(server, model.manifest.name)


def _labels(
    server: Running, model: edgekit.Model, lines: list[str], process: psutil.Process
) -> None:
    """Texts a second, and CPU time a text: on a busy machine the latter says more."""
    name = model.manifest.name
    batches = [lines[at : at + BATCH] for at in range(0, TEXTS, BATCH)]
    ones = [[line] for line in lines]
    ways: dict[str, Callable[[], object]] = {
        "python": lambda: list(model.classify(lines)),
        "http, batches": lambda: _ask(server, name, batches, CLIENTS),
        f"http, one by one, {CLIENTS} clients": lambda: _ask(server, name, ones, CLIENTS),
        f"http, one by one, {MANY} clients": lambda: _ask(server, name, ones, MANY),
    }
    _ask(server, name, batches, CLIENTS)
    several = {way: [process, *process.children()] for way in ways} | {"python": [psutil.Process()]}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    busy: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, run in ways.items():
            before, began = _cpu_seconds(several[way]), time.perf_counter()
            run()
            seconds[way].append(time.perf_counter() - began)
            busy[way].append(_cpu_seconds(several[way]) - before)
    base, base_busy = statistics.median(seconds["python"]), statistics.median(busy["python"])
    for way in ways:
        median, used = statistics.median(seconds[way]), statistics.median(busy[way])
        print(f"classify, {way}: {TEXTS / median:.0f} texts/s, {base / median:.2f} of python; "
              f"{used / TEXTS * 1000:.2f} ms CPU a text, {base_busy / used:.2f}")  # fmt: skip


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(one.cpu_times().user + one.cpu_times().system for one in processes)


def _ask(server: Running, name: str, batches: list[list[str]], clients: int) -> None:
    """A request for each batch, of clients that each keep a connection."""

    def client(mine: list[bytes]) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            answers = connection.makefile("rb")
            for request in mine:
                connection.sendall(request)
                assert answers.readline().split()[1] == b"200"
                length = 0
                while line := answers.readline().strip().lower():
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                assert len(answers.read(length)) == length > 0

    bodies = [json.dumps({"model": name, "input": batch}).encode() for batch in batches]
    requests = [
        b"POST /v1/classify HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies
    ]
    threads = [threading.Thread(target=client, args=(requests[at::clients],))
               for at in range(clients)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _tokens(server: Running, model: edgekit.Model) -> None:
    messages = [{"role": "user", "content": "Write a long story about the sea."}]
    rates: dict[str, list[float]] = {"python": [], "http": []}
    for _ in range(ROUNDS):
        began = time.perf_counter()
        stream = model.chat(messages, stream=True, max_tokens=TOKENS, seed=1, temperature=0)
        rates["python"].append(stream.reply().tokens / (time.perf_counter() - began))
        body = {"model": model.manifest.name, "messages": messages, "max_tokens": TOKENS,
                "seed": 1, "temperature": 0, "stream": True,
                "stream_options": {"include_usage": True}}  # fmt: skip
        began = time.perf_counter()
        with Open(server, "/v1/chat/completions", body) as answer:
            assert answer.head() == 200
            events = answer.rest().split(b"\n\n")
        seconds = time.perf_counter() - began
        usage = json.loads(events[-3].removeprefix(b"data: "))["usage"]
        rates["http"].append(usage["completion_tokens"] / seconds)
    base = statistics.median(rates["python"])
    for way, found in rates.items():
        median = statistics.median(found)
        print(f"chat, one stream, {way}: {median:.1f} tokens/s, {median / base:.2f} of python")


def _first_words(server: Running, name: str) -> None:
    """Seconds to the first words of a stream whose long system prompt is new, or was read."""
    found: dict[str, list[float]] = {"new": [], "read before": []}
    for number in range(ROUNDS):
        rules = " ".join(f"{number}.{line} Answer briefly, in plain words, and stay friendly."
                         for line in range(SYSTEM_LINES))  # fmt: skip
        system = {"role": "system", "content": rules}
        for way, question in (("new", "Why is it dark at night?"), ("read before", "Who are you?")):
            body = {"model": name, "messages": [system, {"role": "user", "content": question}],
                    "max_tokens": 4, "seed": 1, "temperature": 0, "stream": True}  # fmt: skip
            began = time.perf_counter()
            with Open(server, "/v1/chat/completions", body) as answer:
                assert answer.head() == 200
                while not _words(answer.line()):
                    pass  # it waits, or has only said who speaks
                found[way].append(time.perf_counter() - began)
                answer.rest()
    counted = server.ask("/tokenize", {"model": name, "input": rules}).json["count"]
    new, known = (statistics.median(found[way]) for way in ("new", "read before"))
    print(f"first words behind {counted} tokens of a system prompt: {new:.3f} s new, {known:.3f} s "
          f"where they were read before, {new / known:.1f} times sooner")  # fmt: skip


def _words(line: bytes) -> bool:
    if not line.startswith(b"data: {"):
        return False
    choices = json.loads(line[6:])["choices"]
    return bool(choices and choices[0]["delta"].get("content"))


if __name__ == "__main__":
    main(*sys.argv[1:])

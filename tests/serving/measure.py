"""Measures what a server costs: `python -m tests.serving.measure CLASSIFIER CHAT TEXTS.txt`.

Each round asks the Python call and the server in turn, so that both meet the same machine; medians
are printed with the load.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path

import edgekit
from tests.serving.running import Open, Running
from tests.serving.test_command import served

ROUNDS, TEXTS, BATCH, CLIENTS, TOKENS, SYSTEM_LINES = 7, 512, 64, 4, 96, 100


def main(classifier: str, chat: str, texts: str) -> None:
    lines = [line for line in Path(texts).read_text(encoding="utf-8").splitlines() if line.strip()]
    lines = (lines * (TEXTS // len(lines) + 1))[:TEXTS]
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {TEXTS} texts of "
          f"{statistics.mean(map(len, lines)):.0f} characters, {ROUNDS} rounds")  # fmt: skip
    # In a process of its own, as it is run: here it would share Python's lock with the clients.
    with served(classifier, chat, "--log", "off") as (_, port):
        server = Running(port=port)
        with edgekit.load(classifier) as model:
            _labels(server, model, lines)
        with edgekit.load(chat) as model:
            _tokens(server, model)
            _first_words(server, model.manifest.name)


def _labels(server: Running, model: edgekit.Model, lines: list[str]) -> None:
    name = model.manifest.name
    rates: dict[str, list[float]] = {"python": [], "http, batches": [], "http, one by one": []}
    for _ in range(ROUNDS):
        began = time.perf_counter()
        list(model.classify(lines))
        rates["python"].append(TEXTS / (time.perf_counter() - began))
        batches = [lines[at : at + BATCH] for at in range(0, TEXTS, BATCH)]
        rates["http, batches"].append(_asked(server, name, batches))
        rates["http, one by one"].append(_asked(server, name, [[line] for line in lines]))
    base = statistics.median(rates["python"])
    for way, found in rates.items():
        median = statistics.median(found)
        print(f"classify, {way}: {median:.0f} texts/s, {median / base:.2f} of python")


def _asked(server: Running, name: str, batches: list[list[str]]) -> float:
    """Texts a second, of a few clients that each keep a connection."""

    def client(mine: list[list[str]]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for batch in mine:
            body = json.dumps({"model": name, "input": batch})
            connection.request("POST", "/v1/classify", body, {"content-type": "application/json"})
            response = connection.getresponse()
            assert response.status == 200, response.read()
            response.read()
        connection.close()

    threads = [threading.Thread(target=client, args=(batches[at::CLIENTS],))
               for at in range(CLIENTS)]  # fmt: skip
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return TEXTS / (time.perf_counter() - began)


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

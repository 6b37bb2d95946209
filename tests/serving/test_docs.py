"""What docs/serve.md says holds: its unit, its commands' options, several servers side by side."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit.cli import keys, serve
from tests.house.layout import ROOT
from tests.serving.running import running

DOCS = ROOT / "docs"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_valid(tmp_path: Path) -> None:
    text = (DOCS / "edgekit.service").read_text()
    # The program and its user are not installed where tests run.
    text = re.sub(r"ExecStart=\S+", f"ExecStart={shutil.which('true')}", text)
    text = text.replace("User=edgekit\n", "")
    unit = tmp_path / "edgekit.service"
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_options_in_the_docs_are_there() -> None:
    text = (DOCS / "serve.md").read_text() + (DOCS / "edgekit.service").read_text()
    parsers = [argparse.ArgumentParser(), argparse.ArgumentParser()]
    for command, parser in zip((serve, keys), parsers, strict=True):
        command.add_arguments(parser)
    known = {option for parser in parsers for action in parser._actions
             for option in action.option_strings}  # fmt: skip
    for line in re.findall(r"edgekit (?:serve|keys).*", text):
        assert set(re.findall(r"--[a-z-]+", line)) <= known, line
    unit = re.search(r"ExecStart=\S+ serve (.*)", text)
    assert unit
    parsers[0].parse_args(unit[1].split())


NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextmanager
def nginx(folder: Path, *ports: int) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The lines of docs/serve.md before these servers; its port, and what trusts it."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=school.example", "-addext", "subjectAltName=DNS:school.example", "-keyout", key,
         "-out", cert], check=True, capture_output=True,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    [lines] = re.findall(r"```nginx\n(.*?)```", (DOCS / "serve.md").read_text(), re.DOTALL)
    for old, new in (
        ("443", f"127.0.0.1:{port}"), ("8765", str(ports[0])), ("8766", str(ports[1])),
        ("/etc/ssl/school.pem", str(cert)), ("/etc/ssl/school.key", str(key)),
    ):  # fmt: skip
        assert old in lines
        lines = lines.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(f"daemon off; {user} pid {folder}/pid; error_log stderr; events {{}}\n"
                    f"http {{ access_log off; {temporary} {lines} }}\n")  # fmt: skip
    process = subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(file)])
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port, ssl.create_default_context(cafile=cert)
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.skipif(NGINX is None or shutil.which("openssl") is None, reason="needs nginx, openssl")
def test_the_lines_for_nginx(made_artifact: Path, made_chat_artifact: Path, tmp_path: Path) -> None:
    names = {"hosts": ("school.example",)}
    with (
        running(made_artifact, made_chat_artifact, **names) as one,
        running(made_artifact, made_chat_artifact, **names) as other,
        nginx(tmp_path, one.port, other.port) as (port, trusted),
    ):

        def ask(path: str, data: bytes, kind: str = "application/json") -> bytes:
            head = (f"POST {path} HTTP/1.1\r\nHost: school.example\r\nConnection: close\r\n"
                    f"Origin: https://school.example\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n")  # fmt: skip
            with (
                socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
                trusted.wrap_socket(plain, server_hostname="school.example") as connection,
                connection.makefile("rb") as answer,
            ):
                connection.sendall(head.encode() + data)
                return answer.read()

        for _ in range(4):
            said = ask("/v1/classify", b'{"model": "tiny-intents", "input": "lamp"}')
            assert said.startswith(b"HTTP/1.1 200 ")
            assert b'"label"' in said
        hello = [{"role": "user", "content": "Hello"}]
        body = {"model": "tiny-chat", "messages": hello, "max_tokens": 4, "stream": True}
        assert b"data: [DONE]" in ask("/v1/chat/completions", json.dumps(body).encode())
        # Two megabytes come through: it is the server that says what is wrong with them.
        assert b"model_not_found" in ask("/v1/classify", json.dumps(
            {"model": "gone", "input": "a" * 2_000_000}).encode())  # fmt: skip
        assert [line for line in one.lines if line["path"] == "/v1/classify"]
        assert [line for line in other.lines if line["path"] == "/v1/classify"]


def test_two_servers_answer_alike(made_artifact: Path, made_chat_artifact: Path) -> None:
    asked = {"model": "tiny-chat", "messages": [{"role": "user", "content": "Hello"}],
             "max_tokens": 8, "temperature": 0}  # fmt: skip
    with (
        running(made_artifact, made_chat_artifact) as one,
        running(made_artifact, made_chat_artifact) as other,
    ):
        said = [
            (
                server.ask("/v1/chat/completions", asked).json["choices"],
                server.ask("/v1/classify", {"model": "tiny-intents", "input": "lamp"}).json["data"],
            )
            for server in (one, other)
        ]
    assert said[0] == said[1]

"""A server in a thread of this process, and raw ways to ask it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from edgekit.serving.running import serve
from edgekit.serving.settings import Limits, Settings


@dataclass
class Running:
    port: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    """Its log."""
    secret: str | None = None
    """The key that `ask` sends."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        body: Any = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] = {},
        secret: str | None = None,
    ) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        given = {"content-type": "application/json"} if body is not None else {}
        key = secret or self.secret
        if key is not None:
            given["authorization"] = f"Bearer {key}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(
                method or ("GET" if body is None else "POST"), path, data, {**given, **headers}
            )
            response = connection.getresponse()
            return Got(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def logged(self, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first line of the log of which this holds; one may come after its answer."""
        deadline = time.monotonic() + 30
        while True:
            found = next((line for line in list(self.lines) if holds(line)), None)
            if found is not None:
                return found
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def raw(self, data: bytes, *, seconds: float = 20) -> bytes:
        """What comes back for these bytes, until the server closes or says no more."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(data)
            parts = []
            try:
                while part := connection.recv(65536):
                    parts.append(part)
            except (TimeoutError, ConnectionError):
                pass
            return b"".join(parts)


class Open:
    """A request whose answer is read line by line, as it comes; `close` leaves at once."""

    def __init__(self, server: Running, path: str, body: Any, *, buffer: int = 0) -> None:
        """`buffer`: bytes that this side takes without reading them."""
        data = json.dumps(body).encode()
        key = f"authorization: Bearer {server.secret}\r\n" if server.secret else ""
        self._socket = socket.socket()
        self._socket.settimeout(120)
        if buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.connect(("127.0.0.1", server.port))
        # HTTP/1.0: nothing is chunked.
        self._socket.sendall(
            f"POST {path} HTTP/1.0\r\nhost: 127.0.0.1\r\n{key}content-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n".encode()
            + data
        )
        self._file = self._socket.makefile("rb")

    def head(self) -> int:
        """The status; the headers are read and dropped."""
        status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass
        return status

    def line(self) -> bytes:
        return self._file.readline()

    def rest(self) -> bytes:
        return self._file.read()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Open:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error in OpenAI's form."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return str(error["code"])

    @property
    def events(self) -> list[Any]:
        """The JSON of a stream's events, without [DONE]."""
        lines = [line for line in self.body.split(b"\n\n") if line.startswith(b"data: ")]
        return [json.loads(line[6:]) for line in lines if line != b"data: [DONE]"]


@contextmanager
def running(*artifacts: Path, **settings: Any) -> Iterator[Running]:
    """A server of these artifacts on a port of its own; `settings` are those of Settings."""
    found, started = Running(), threading.Event()
    servers: list[uvicorn.Server] = []
    failed: list[BaseException] = []
    given = Settings(artifacts=artifacts, **{"port": 0, **settings})

    def on_start(address: str, _: Settings) -> None:
        found.port = int(address.rpartition(":")[2])
        started.set()

    def main() -> None:
        try:
            asyncio.run(serve(
                given, write=lambda line: found.lines.append(json.loads(line)),
                on_start=on_start, on_server=servers.append,
            ))  # fmt: skip
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=main)
    thread.start()
    started.wait(30)
    if failed:
        thread.join()
        raise failed[0]
    try:
        yield found
    finally:
        servers[0].should_exit = True
        thread.join(60)
        assert not thread.is_alive()
        if failed:
            raise failed[0]


__all__ = ["Got", "Limits", "Open", "Running", "running"]

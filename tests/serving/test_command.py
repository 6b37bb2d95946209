"""`edgekit serve` as it is run: a process that says where it is, over https, and ends when told."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.serving.running import running


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "edgekit", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"edgekit serves at https?://127\.0\.0\.1:(\d+)", said)
        assert found, said + process.stderr.read()
        yield process, int(found[1])
    finally:
        process.kill()
        process.communicate()


def labels(connection: http.client.HTTPConnection) -> int:
    connection.request("POST", "/v1/classify", json.dumps({"input": "lamp"}),
                       {"content-type": "application/json"})  # fmt: skip
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_it_ends_when_told_and_leaves_no_process(made_artifact: Path) -> None:
    with served(str(made_artifact)) as (process, port):
        assert labels(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) == 200
        wrong = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        wrong.request("POST", "/v1/classify", b"--b\r\nContent[Type: a\r\n\r\na\r\n--b--\r\n",
                      {"content-type": "multipart/form-data; boundary=b"})  # fmt: skip
        assert wrong.getresponse().status == 400  # and nothing but lines of JSON says so
        wrong.close()
        [worker] = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr]
        assert process.wait(60) == -signal.SIGTERM
        assert lines[-1]["path"] == "/v1/classify"
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_killed_it_takes_its_workers_along(made_artifact: Path) -> None:
    with served(str(made_artifact), "--log", "off") as (process, port):
        assert labels(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) == 200
        workers = psutil.Process(process.pid).children()
        process.kill()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert alive == []
    with running(made_artifact) as server:
        assert server.ask("/v1/classify", {"input": "lamp"}).status == 200


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_over_https(made_artifact: Path, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    with served(str(made_artifact), "--tls-cert", str(cert), "--tls-key", str(key)) as (_, port):
        trusted = ssl.create_default_context(cafile=cert)
        assert labels(http.client.HTTPSConnection("127.0.0.1", port, context=trusted)) == 200


def test_a_page_that_is_named_may_ask(made_artifact: Path) -> None:
    origin = "https://intranet.example"
    with running(made_artifact, origins=(origin,), hosts=("school.example",)) as server:
        asked = {"input": "lamp"}
        headers = {"origin": origin, "host": "school.example"}
        got = server.ask("/v1/classify", asked, headers=headers)
        assert got.status == 200
        assert got.headers["access-control-allow-origin"] == origin
        got = server.ask("/v1/classify", method="OPTIONS", headers=headers)
        assert got.status == 204
        assert "authorization" in got.headers["access-control-allow-headers"]
        other = server.ask("/v1/classify", asked, headers={"origin": "https://evil.example"})
        assert other.code == "wrong_origin"
        own = {"origin": "http://school.example", "host": "school.example"}
        assert server.ask("/v1/classify", asked, headers=own).status == 200


def test_words_are_logged_where_the_operator_asks_for_that(made_artifact: Path) -> None:
    with running(made_artifact, log="plain") as server:
        server.ask("/v1/classify", {"input": "lamp"})
        line = server.logged(lambda line: line["path"] == "/v1/classify")
        assert line["asked"] == ["lamp"]
        assert line["answered"]["data"]
    said = {"input": ["lamp, asha@example.org", "اتصل ٠١٠٠١٢٣٤٥٦٧"]}
    with running(made_artifact, log="masked") as server:
        server.ask("/v1/classify", said)
        line = server.logged(lambda line: line["path"] == "/v1/classify")
        assert line["asked"] == ["lamp, [e-mail]", "اتصل [phone]"]
        assert line["answered"]["data"][0]["label"]
    with running(made_artifact, log="off") as server:
        server.ask("/v1/classify", {"input": "lamp"})
        assert server.lines == []

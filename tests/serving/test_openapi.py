"""The OpenAPI document is true: schemathesis makes up requests from it and finds no fault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.serving.running import Running

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance",
)  # fmt: skip


def test_every_path_is_described(server: Running) -> None:
    found = server.ask("/openapi.json").json
    assert found["openapi"] == "3.1.0"
    paths = {
        path for one in server.ask("/v1/models").json["data"] for path in one["edgekit"]["paths"]
    }
    assert paths < set(found["paths"])
    for path in paths:
        content = found["paths"][path]["post"]["requestBody"]["content"]
        schema = content["application/json"]["schema"]
        Draft202012Validator.check_schema(schema)
        for one in schema.get("anyOf", [schema]):
            assert one["additionalProperties"] is False
            assert one["properties"]["model"]["enum"]


def attack(server: Running, folder: Path, *, examples: int) -> int:
    """How many requests schemathesis made; fails where it found a fault."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json",
        "--checks", ",".join(CHECKS), "--max-examples", str(examples), "--phases", "fuzzing",
        "--mode", "all", "--no-shrink", "--seed", "7", "--generation-deterministic", "--no-color",
        "--request-timeout", "300",  # a busy machine is no fault
    ]  # fmt: skip
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    made = re.search(r"(\d[\d,]*) generated", done.stdout)
    assert made, done.stdout[-2000:]
    return int(made[1].replace(",", ""))


def test_made_up_requests_find_no_fault(server: Running, tmp_path: Path) -> None:
    assert attack(server, tmp_path, examples=55) >= 200
    assert not [line for line in server.lines if line.get("code") == "internal_error"]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_thousands_of_made_up_requests_find_no_fault(server: Running, tmp_path: Path) -> None:
    assert attack(server, tmp_path, examples=1300) >= 5000
    assert not [line for line in server.lines if line.get("code") == "internal_error"]

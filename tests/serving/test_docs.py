"""What docs/serve.md says holds: its unit, its commands' options, several servers side by side."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
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

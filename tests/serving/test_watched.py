"""Rules on what a server answers: an alarm after a planted change, in the log, metrics, command."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from edgekit.artifact.folder import read
from edgekit.cli import ERROR, main
from edgekit.cli.watch import rules_of
from tests.serving.running import Running, running
from tests.tiny.artifact import text_of_each_label

RULES = """\
version: 1
rules:
  - name: music
    share: {label: music, over: 0.5, within: 100 rows, rows: 40}
    do: {command: COMMAND}
  - name: tongue
    unknown_language: {over: 0.99, within: 1h, by: language}
"""


@pytest.fixture(scope="module")
def by_label(made_artifact: Path) -> dict[str, str]:
    return text_of_each_label(made_artifact)


def write_rules(folder: Path) -> Path:
    code = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"
    command = json.dumps([sys.executable, "-c", code, str(folder / "told")])
    path = folder / "rules.yaml"
    path.write_text(RULES.replace("COMMAND", command), encoding="utf-8")
    return path


def gauge(server: Running, name: str, rule: str) -> float:
    lines = server.ask("/metrics").body.decode().splitlines()
    mine = [line for line in lines if line.startswith(f"edgekit_watch_{name}{{")]
    return sum(float(line.rpartition(" ")[2]) for line in mine if f'rule="{rule}"' in line)


def test_a_planted_change_gives_an_alarm(
    made_artifact: Path, made_chat_artifact: Path, by_label: dict[str, str], tmp_path: Path
) -> None:
    rules = {"tiny-intents": rules_of(read(made_artifact).manifest, write_rules(tmp_path))}
    with running(made_artifact, made_chat_artifact, rules=rules) as server:

        def ask(label: str, count: int) -> None:
            body = {"model": "tiny-intents", "input": [by_label[label]] * count}
            assert server.ask("/v1/classify", body).status == 200

        ask("heat", 60)
        # Labels of a request's own are nothing that rules count.
        own = {"model": "tiny-chat", "input": ["a lamp"] * 3, "labels": ["music", "light"]}
        assert server.ask("/v1/classify", own).status == 200
        _until(lambda: gauge(server, "rows", "music") == 60)
        assert not [line for line in server.lines if line["event"] == "alarm"]
        assert gauge(server, "alarm", "music") == 0
        ask("music", 70)
        began = server.logged(lambda line: line["event"] == "alarm" and line["rule"] == "music")
        assert (began["state"], began["artifact"]) == ("began", "tiny-intents")
        assert gauge(server, "alarm", "music") == 1
        told = tmp_path / "told"
        _until(lambda: told.exists() and told.read_text().endswith("\n"))
        assert json.loads(told.read_text())["rule"] == "music"
        # Short words are of no language that can be told: one group of its own.
        assert gauge(server, "rows", "tongue") == 130
        ask("heat", 60)
        server.logged(lambda line: line["event"] == "alarm" and line["state"] == "ended")
        for text in by_label.values():
            assert text not in json.dumps(server.lines)
            assert text not in told.read_text()


def _until(holds: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rules_that_a_server_cannot_follow_are_refused(
    made_artifact: Path,
    made_chat_artifact: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_rules(tmp_path)
    for artifacts, given, said in (
        ([made_artifact], f"gone={path}", "these have labels of their own: tiny-intents"),
        ([made_chat_artifact], str(path), "labels of their own: none"),
        ([made_artifact], str(tmp_path / "none.yaml"), "does not exist"),
    ):
        assert main(["serve", *map(str, artifacts), "--rules", given]) == ERROR
        assert said in " ".join(capsys.readouterr().err.split())
    path.write_text(path.read_text().replace("by: language", "by: source"), encoding="utf-8")
    assert main(["serve", str(made_artifact), "--rules", str(path)]) == ERROR
    assert "'tongue' asks for texts by their source" in " ".join(capsys.readouterr().err.split())

"""`edgekit watch` on streams with a planted change: the alarm comes after it, and never before."""

from __future__ import annotations

import io
import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli import DONE, ERROR, main
from tests.tiny.artifact import make_artifact, text_of_each_label

QUALITY = {"artifact": {"by_label": {"heat": {"predicted": 700}, "light": {"predicted": 200},
                                     "music": {"predicted": 100}}}}  # fmt: skip
RULES = """\
version: 1
rules:
  - name: music
    share: {label: music, over: 0.5, within: 200 rows, rows: 50, by: source}
    do: {command: COMMAND}
  - name: unsure
    abstained: {over: 0.9, within: 1h}
  - name: mix
    drift: {within: 400 rows}
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "tiny-intents-onnx"
    return make_artifact(folder, quality=QUALITY)


@pytest.fixture(scope="module")
def by_label(artifact: Path) -> dict[str, str]:
    return text_of_each_label(artifact)


USUAL, PLANTED = (0.7, 0.2, 0.1), (0.1, 0.1, 0.8)


def stream(by_label: dict[str, str], usual: int, planted: int) -> list[dict[str, Any]]:
    generator = random.Random(9)
    labels = [
        *generator.choices(("heat", "light", "music"), USUAL, k=usual),
        *generator.choices(("heat", "light", "music"), PLANTED, k=planted),
    ]
    return [
        {"text": by_label[label], "source": "radio", "language": "en", "time": 60 * number}
        for number, label in enumerate(labels)
    ]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    code = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"
    command = json.dumps([sys.executable, "-c", code, str(tmp_path / "told")])
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("COMMAND", command), encoding="utf-8")
    return path


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_planted_change_gives_an_alarm(
    artifact: Path,
    by_label: dict[str, str],
    rules: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = stream(by_label, 1200, 400)
    rows.insert(700, {"text": " "})
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    metrics = tmp_path / "metrics.prom"
    command = ["watch", str(artifact), "--file", "-", "--rules", str(rules)]
    assert main([*command, "--metrics", str(metrics)]) == DONE
    *events, end = said(capsys)
    assert end == {"event": "end", "rows": 1600, "refused": 1, "alarms": 2}
    refused, *alarms = events
    assert refused["event"] == "refused"
    assert "line 701" in refused["why"]
    assert {(one["rule"], one["state"]) for one in alarms} == {("music", "began"), ("mix", "began")}
    for alarm in alarms:
        assert 1200 < alarm["at"] / 60 < 1450
    music = next(one for one in alarms if one["rule"] == "music")
    assert (music["by"], music["group"]) == ("source", "radio")
    # No text of anybody is said or sent.
    for text in by_label.values():
        assert text not in json.dumps(events, ensure_ascii=False)
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert told == [{name: value for name, value in music.items() if name != "event"}]
    text = metrics.read_text()
    assert 'edgekit_watch_alarm{rule="music",source="radio"} 1' in text
    assert 'edgekit_watch_alarm{rule="unsure"} 0' in text


def test_metrics_that_cannot_be_written_end_no_warning(
    artifact: Path,
    by_label: dict[str, str],
    rules: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text(f"{by_label['music']}\n" * 60, encoding="utf-8")
    metrics = tmp_path / "nowhere" / "metrics.prom"
    command = ["watch", str(artifact), "--file", str(texts), "--rules", str(rules)]
    assert main([*command, "--metrics", str(metrics)]) == DONE
    lines = said(capsys)
    assert "the metrics cannot be written" in next(
        line["why"] for line in lines if line["event"] == "failed" and "rule" not in line
    )
    assert any(line["event"] == "alarm" for line in lines)
    assert lines[-1]["rows"] == 60


def test_the_usual_stream_gives_none(
    artifact: Path,
    by_label: dict[str, str],
    rules: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rows = stream(by_label, 1200, 0)
    for number in range(3):
        part = rows[number * 400 : (number + 1) * 400]
        lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in part)
        (folder / f"{number}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "3.txt").write_text(f"{by_label['heat']}\n\n", encoding="utf-8")
    (folder / ".being-written.jsonl").write_text("{")
    command = ["watch", str(artifact), "--file", str(folder), "--rules", str(rules), "--once"]
    assert main(command) == DONE
    assert said(capsys) == [{"event": "end", "rows": 1201, "refused": 0, "alarms": 0}]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_folder_is_followed_until_somebody_ends_it(
    artifact: Path, by_label: dict[str, str], rules: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    command = [sys.executable, "-m", "edgekit", "watch", str(artifact), "--file", str(folder),
               "--rules", str(rules)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rows = "".join(f"{by_label['music']}\n" for _ in range(60))
        (folder / ".new").write_text(rows, encoding="utf-8")
        (folder / ".new").replace(folder / "first.txt")
        mix, music = (json.loads(process.stdout.readline()) for _ in range(2))
        assert (mix["rule"], mix["group"]) == ("mix", None)
        assert (music["rule"], music["group"], music["rows"]) == ("music", "first.txt", 50)
        process.send_signal(signal.SIGINT)
        rest = process.communicate()[0]
    assert process.returncode == DONE
    assert json.loads(rest.splitlines()[-1])["event"] == "end"


def test_what_is_wrong_is_a_sentence(
    artifact: Path, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = str(tmp_path / "gone")
    for file, rule in ((gone, str(rules)), ("-", gone)):
        assert main(["watch", str(artifact), "--file", file, "--rules", rule]) == ERROR
        assert capsys.readouterr().err.startswith("edgekit: ")

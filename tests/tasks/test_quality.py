"""What was judged of any task is said by inspect, card, report and evaluate; the app's part is in
tests/tui/test_artifact_quality.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit import tables
from edgekit.build import card
from edgekit.build.report import Reported, ReportedOutput, render
from edgekit.cli import DONE, evaluate, main
from edgekit.cli.output import language_title
from edgekit.tasks import quality
from tests.tasks.judgements import JUDGED, artifact_of

TASKS = sorted(tables.TASKS)


def written(judged: dict[str, Any]) -> dict[str, Any]:
    """As a manifest gives it back."""
    return dict(json.loads(json.dumps(judged)))


@pytest.mark.parametrize("task", TASKS)
def test_every_reader_says_what_was_judged(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = written(JUDGED[task]())
    found = quality.read(task, judged)
    assert found is not None
    assert found.lines()
    assert (found.verdict, found.rows) == ("PASS", judged["rows"])
    assert [code for code in found.sections[0].parts if code != quality.ALL] == ["en", "sw"]

    artifact = artifact_of(tmp_path / "tiny", task, judged)
    assert main(["inspect", str(artifact.folder)]) == DONE
    inspected = capsys.readouterr().out
    evaluate.show(artifact.manifest, judged)
    evaluated = capsys.readouterr().out
    manifest = artifact.manifest.as_json()
    carded = card.text(manifest)
    page = render(Reported("tiny", [ReportedOutput(manifest)], 10**6, [], 1.0, 10**6))
    for said in (inspected, evaluated, carded, page.replace("&#39;", "'")):
        for line in found.lines():
            assert line in said
        assert "PASS" in said
        assert "not judged" not in said
    for said in (inspected, evaluated):
        assert language_title("sw") in said
        assert found.why in said
    assert "| sw |" in carded
    for section in found.sections:
        assert section.title in evaluated
        assert section.title in page


@pytest.mark.parametrize("task", TASKS)
def test_alone_there_are_figures_and_no_verdict(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = written(JUDGED[task](against=False))
    evaluate.show(artifact_of(tmp_path / "tiny", task, {}).manifest, judged)
    out = capsys.readouterr().out
    assert language_title("sw") in out
    for word in (quality.LARGE, "kept", "uncompressed", "Verdict", "–", "None"):
        assert word not in out


@pytest.mark.parametrize("task", TASKS)
def test_what_is_not_judged_says_so(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = artifact_of(tmp_path / "tiny", task, {})
    assert quality.read(task, {}) is None
    assert main(["inspect", str(artifact.folder)]) == DONE
    assert "not judged: the recipe named no test set" in capsys.readouterr().out
    assert "not judged: the recipe named no test set" in card.text(artifact.manifest.as_json())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "strange", [None, True, 7, -1e400, 10**400, "\x1b[2J", [[]], {"en": {"en": 1}}]
)
def test_a_judgement_of_another_shape_is_read_as_far_as_it_goes(
    task: str, strange: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stranger's, or one of an earlier edgekit; a verdict may be None."""
    judged = written(JUDGED[task]())
    manifest = artifact_of(tmp_path / "tiny", task, {}).manifest
    for key in judged:
        evaluate.show(manifest, {**judged, key: strange})
    evaluate.show(manifest, dict.fromkeys(judged, strange))
    evaluate.show(manifest, {"unheard": strange})
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("task", sorted(JUDGED))
def test_it_is_known_in_which_languages_it_was_judged(task: str) -> None:
    assert quality.judged_languages(JUDGED[task]()) == {"en", "sw"}
    assert quality.judged_languages({}) == frozenset()
    assert quality.judged_languages({"by_language": "en"}) == frozenset()


def test_of_an_unknown_task_the_verdict_is_known() -> None:
    found = quality.read("telepathy", {"verdict": "FAIL", "why": "It guessed.", "rows": 9})
    assert found is not None
    assert (found.verdict, found.why, found.rows) == ("FAIL", "It guessed.", 9)
    assert found.lines() == ["Verdict: FAIL."]


@pytest.mark.parametrize("task", TASKS)
def test_reading_a_judgement_imports_nothing_that_makes_one(task: str) -> None:
    code = (
        "import sys\nfrom edgekit.tasks import quality\n"
        f"quality.read({task!r}, {{'rows': 1}})\n"
        "print([name for name in sys.modules if name in ('numpy', 'torch') or '.proof' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Whether artifacts suit a machine: memory to the byte, speed by what both machines measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.artifact import folder as artifacts
from edgekit.bench import fit, probe
from edgekit.bench.operators import Operator
from edgekit.bench.probe import Decoding, Probe
from edgekit.cli import DONE, ERROR, FAILED, main
from edgekit.runtime.memory import needed_bytes

OWN = Probe(
    system="Linux x86_64",
    cpu="A",
    features=("avx2",),
    cores=2,
    threads=1,
    memory_bytes=8 * 10**9,
    available_bytes=4 * 10**9,
    versions={},
    operators=(
        Operator("MatMul", (16, 384, 1536), 100.0),
        Operator("MatMulInteger", (16, 384, 1536), 40.0),
        Operator("attention", (12, 16, 32), 10.0),
    ),
    decoding=Decoding(400.0, 60.0),
)
SLOWER = replace(
    OWN,
    available_bytes=2 * 10**9,
    operators=(
        Operator("MatMul", (16, 384, 1536), 100.0),
        Operator("MatMulInteger", (16, 384, 1536), 160.0),
        Operator("attention", (12, 16, 32), 10.0),
        Operator("attention", (99, 99, 99), 1.0),
    ),
    decoding=Decoding(100.0, 30.0),
)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "SECONDS", 0.0)


def test_speed_there_is_that_of_here_by_the_operators_of_both() -> None:
    # Four times as long and as long: twice, in the geometric mean; unknown shapes do not count.
    assert fit.faster(SLOWER, OWN, "MatMulInteger") == pytest.approx(0.5)
    assert fit.faster(SLOWER, OWN, "MatMul") == pytest.approx(1.0)
    assert fit.faster(OWN, SLOWER, "MatMulInteger") == pytest.approx(2.0)


def test_a_classifier_on_both_machines(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = artifacts.read(tiny_artifact)
    found = fit.here(made, OWN, context=4096)
    assert (found.fits, found.context) == (True, None)
    assert found.needed_bytes == needed_bytes(made.manifest)
    assert found.speed["ms_per_answer"] > 0
    assert found.verify == f"edgekit bench {tiny_artifact} --threads 1"
    monkeypatch.setattr(fit, "_pace", lambda artifact, machine, context: {"ms_per_answer": 3.0})
    there = fit.there(made, SLOWER, OWN)
    assert there.speed == {"ms_per_answer": 6.0}
    assert "0.50 times as fast there by MatMulInteger and attention" in there.basis
    strange = fit.there(made, replace(SLOWER, operators=SLOWER.operators[-1:]), OWN)
    assert (strange.speed, strange.basis) == ({}, fit.NO_OPERATORS)


def test_a_chat_model_at_the_context_that_is_asked_for(
    chat_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = artifacts.read(chat_artifact)
    found = fit.here(made, OWN, context=256)
    assert (found.context, found.needed_bytes) == (256, needed_bytes(made.manifest, context=256))
    assert found.needed_bytes < fit.here(made, OWN).needed_bytes
    assert found.speed["prompt_tokens_per_s"] > 0
    pace = {"prompt_tokens_per_s": 80.0, "tokens_per_s": 10.0}
    monkeypatch.setattr(fit, "_pace", lambda artifact, machine, context: pace)
    there = fit.there(made, SLOWER, OWN)
    assert there.speed == {"prompt_tokens_per_s": 20.0, "tokens_per_s": 5.0}
    without = fit.there(made, replace(SLOWER, decoding=None), OWN)
    assert (without.speed, without.basis) == ({}, fit.NO_LLAMA)


def test_what_does_not_fit_is_not_opened(tiny_artifact: Path) -> None:
    small = replace(OWN, available_bytes=1000)
    found = fit.here(artifacts.read(tiny_artifact), small)
    assert (found.fits, found.speed, found.basis) == (False, {}, fit.TOO_LARGE)


def test_the_commands(
    tiny_artifact: Path, chat_artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, there = tmp_path / "own.json", tmp_path / "laptop.json"
    assert main(["probe", "--seconds", "0.1", "--out", str(own)]) == DONE
    told = capsys.readouterr().out
    assert "MatMulInteger" in told
    assert f"next: edgekit fit ARTIFACT --on {own}" in told
    probe.write(replace(probe.read(own), available_bytes=1000), there)
    both = [str(tiny_artifact), str(chat_artifact)]
    assert main(["fit", *both]) == DONE
    assert "measured here, with" in capsys.readouterr().out
    words = ["fit", *both, "--on", str(there), "--own", str(own), "--context", "64"]
    assert main(words) == FAILED
    assert "NO" in capsys.readouterr().out
    assert main([*words, "--json"]) == FAILED
    [classifier, chat] = json.loads(capsys.readouterr().out)["fits"]
    assert (classifier["fits"], classifier["context"], chat["context"]) == (False, None, 64)
    assert chat["basis"].startswith("measured here, 1.00 times as fast there")
    assert main(["fit", str(tiny_artifact), "--on", str(tiny_artifact / "golden.json")]) == ERROR

"""`edgekit doctor` on this machine, and on requirements and drivers made for the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edgekit.cli import DONE, doctor, main


def examined(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert main(["doctor", "--json"]) == DONE
    return dict(json.loads(capsys.readouterr().out))


def test_this_machine_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys)
    assert found["cpu"]["cores"] >= 1
    assert found["cpu"]["name"]
    assert 0 < found["memory"]["available_bytes"] <= found["memory"]["total_bytes"]
    assert found["cache"]["writable"] is True
    assert found["cache"]["free_bytes"] > 0
    assert {"base", "compress", "files"} <= set(found["extras"])
    assert "dev" not in found["extras"]
    base = found["extras"]["base"]
    assert base["complete"] is True
    assert base["install"] is None
    assert base["packages"]["onnxruntime"]
    assert set(found["extras"]["files"]["packages"]) == {
        "charset-normalizer", "lxml", "openpyxl", "pyarrow", "pypdf", "python-calamine",
        "python-docx",
    }  # fmt: skip


def test_words_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys)
    assert main(["doctor"]) == DONE
    words = capsys.readouterr().out
    assert str(found["cpu"]["name"]) in words
    assert str(found["cache"]["folder"]) in words
    assert f"onnxruntime {found['extras']['base']['packages']['onnxruntime']}" in " ".join(
        words.split()
    )


def test_what_is_missing_comes_with_the_command_that_gets_it() -> None:
    extras = doctor.extras(
        [
            Requirement("numpy>=2.0"),
            Requirement("no-such-package>=1"),
            Requirement("filelock<1,>=0.5"),
        ]
    )
    base = extras["base"]
    assert base["complete"] is False
    assert base["missing"][0] == "no-such-package is not installed"
    assert base["missing"][1].startswith("filelock ")
    assert base["missing"][1].endswith("is not <1,>=0.5")
    assert base["packages"]["no-such-package"] is None
    assert base["install"] == "pip install 'edgekit'"


def test_an_extra_is_named_in_its_command() -> None:
    extras = doctor.extras([Requirement("no-such-package>=1; extra == 'files'")])
    assert extras["files"]["install"] == "pip install 'edgekit[files]'"


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "file" / "cache"))
    cache = examined(capsys)["cache"]
    assert cache["writable"] is False
    assert "EDGEKIT_CACHE" in str(cache["fault"])
    assert main(["doctor"]) == DONE
    assert "CANNOT be written" in capsys.readouterr().out


def test_nothing_is_made_in_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "a" / "b"))
    assert examined(capsys)["cache"]["writable"] is True
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "devices"),
    [
        (
            "echo 'NVIDIA GeForce GTX 1650, 4096'; echo 'NVIDIA GB10, [N/A]'",
            [
                {"name": "NVIDIA GeForce GTX 1650", "memory_bytes": 4096 * 2**20},
                {"name": "NVIDIA GB10", "memory_bytes": None},
            ],
        ),
        ("echo 'NVIDIA-SMI has failed, no driver'; exit 9", []),
    ],
    ids=["two devices", "a failing driver"],
)
def test_gpus_that_torch_cannot_use_are_named_with_the_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    devices: list[dict[str, object]],
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\n{program}\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpu = examined(capsys)["gpu"]
    if gpu["usable"]:
        pytest.skip("torch can use a GPU here")
    assert gpu["devices"] == devices
    assert "torch" in str(gpu["note"])


def test_what_cuda_lacks_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lacks = examined(capsys)["cuda"]["missing"]
    assert [lack["what"] for lack in lacks] == ["no NVIDIA driver answers (if there is such a GPU)"]
    assert lacks[0]["command"].startswith("sudo apt-get install nvidia-driver")
    assert main(["doctor"]) == DONE
    assert f"{lacks[0]['what']}: {lacks[0]['command']}" in capsys.readouterr().out

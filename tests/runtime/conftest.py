"""Tiny artifacts for the tests of the runtime; nothing that they remember leaves the test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_artifact import make_artifact


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def made_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("made") / "tiny-intents-onnx")


@pytest.fixture
def tiny_artifact(made_artifact: Path, tmp_path: Path) -> Path:
    """An int8 classifier of three labels with windows of 32 tokens, for this test alone."""
    return Path(shutil.copytree(made_artifact, tmp_path / made_artifact.name))

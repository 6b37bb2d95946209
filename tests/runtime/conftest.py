"""Tiny artifacts for the tests of the runtime; nothing that they remember leaves the test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiny_chat_artifact
from tiny_artifact import make_artifact
from tiny_chat_artifact import make_chat_artifact


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


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chat_artifact.tiny_gguf(tmp_path_factory)


@pytest.fixture(scope="session")
def made_chat_artifact(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chat_artifact(tmp_path_factory.mktemp("made") / "tiny-chat-gguf", tiny_gguf)


@pytest.fixture
def chat_artifact(made_chat_artifact: Path, tmp_path: Path) -> Path:
    """A random decoder with a context of 512 tokens, for this test alone."""
    return Path(shutil.copytree(made_chat_artifact, tmp_path / made_chat_artifact.name))

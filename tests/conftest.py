"""Fixtures that many tests share: a cache of their own, a tiny project, and what it builds."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import hypothesis
import pytest

from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.recipe import recipe
from tests.tiny import chat as tiny_chat
from tests.tiny import encoder as tiny
from tests.tiny import seq2seq as tiny_seq2seq
from tests.tiny.artifact import make_artifact

# What tests make with transformers itself shows no bars among what they look at.
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
# No test asserts a time: a busy machine is no failure.
hypothesis.settings.register_profile("edgekit", deadline=None)
hypothesis.settings.load_profile("edgekit")
# A shell tells what runs in its background to ignore Ctrl-C, and the programs that tests start and
# interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache for all tests of a run: rates are measured once, and none of the user's is used."""
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_project(tmp_path_factory.mktemp("project") / "tiny").parent


@pytest.fixture
def project(made_project: Path, tmp_path: Path) -> Path:
    """A folder with a tiny encoder, data and recipe.yaml, for this test alone."""
    return Path(shutil.copytree(made_project, tmp_path / "project"))


@pytest.fixture(scope="session")
def built(made_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """What the tiny recipe builds; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        bound = recipe.read(made_project / "recipe.yaml")
        return build.compress(plan.make(bound, out=tmp_path_factory.mktemp("built")))


@pytest.fixture(scope="session")
def made_chat_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chat.make_project(tmp_path_factory.mktemp("chat-project") / "tiny").parent


@pytest.fixture
def chat_project(made_chat_project: Path, tmp_path: Path) -> Path:
    """A folder with a tiny decoder, data and recipe.yaml, for this test alone."""
    return Path(shutil.copytree(made_chat_project, tmp_path / "chat"))


@pytest.fixture(scope="session")
def built_chat(made_chat_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """What the tiny recipe of the task chat builds; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        bound = recipe.read(made_chat_project / "recipe.yaml")
        return build.compress(plan.make(bound, out=tmp_path_factory.mktemp("built-chat")))


@pytest.fixture(scope="session")
def tiny_writers(tmp_path_factory: pytest.TempPathFactory) -> tiny_seq2seq.Writers:
    """Checkpoints of trained tiny summarizers by family; not to be changed."""
    return tiny_seq2seq.Writers(tmp_path_factory.mktemp("writers"))


@pytest.fixture(scope="session")
def made_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("made") / "tiny-intents-onnx")


@pytest.fixture
def tiny_artifact(made_artifact: Path, tmp_path: Path) -> Path:
    """An int8 classifier of three labels with windows of 32 tokens, for this test alone."""
    return Path(shutil.copytree(made_artifact, tmp_path / made_artifact.name))


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny import chat_artifact  # llama.cpp: not for the others

    return chat_artifact.tiny_gguf(tmp_path_factory)


@pytest.fixture(scope="session")
def made_chat_artifact(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny.chat_artifact import make_chat_artifact

    return make_chat_artifact(tmp_path_factory.mktemp("made") / "tiny-chat-gguf", tiny_gguf)


@pytest.fixture
def chat_artifact(made_chat_artifact: Path, tmp_path: Path) -> Path:
    """A random decoder with a context of 512 tokens, for this test alone."""
    return Path(shutil.copytree(made_chat_artifact, tmp_path / made_chat_artifact.name))

"""One tiny chat artifact for the commands that need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny.chat_artifact import make_chat_artifact, tiny_gguf


@pytest.fixture(scope="session")
def chat_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny_gguf(tmp_path_factory)
    return make_chat_artifact(tmp_path_factory.mktemp("chat") / "tiny-chat-gguf", made)

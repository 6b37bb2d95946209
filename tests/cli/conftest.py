"""One tiny chat artifact for the commands that need one."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_llama
from tiny_chat_artifact import make_chat_artifact

from edgekit.export.llama.convert import convert


@pytest.fixture(scope="session")
def chat_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    convert(tiny_llama.make_checkpoint(folder / "checkpoint", "llama"), folder / "model.gguf")
    return make_chat_artifact(folder / "tiny-chat-gguf", folder / "model.gguf")

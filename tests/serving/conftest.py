"""One server of an artifact of each task for the tests that do not disturb it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.running import Running, running
from tests.tiny.summarizer import make_summarizer


@pytest.fixture(scope="session")
def made_summarizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_summarizer(tmp_path_factory.mktemp("made") / "tiny-summarizer-onnx")


@pytest.fixture(scope="session")
def server(
    made_artifact: Path, made_chat_artifact: Path, made_summarizer: Path
) -> Iterator[Running]:
    with running(made_artifact, made_chat_artifact, made_summarizer) as found:
        yield found

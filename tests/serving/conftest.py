"""One server of a classifier and a chat model for the tests that do not disturb it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.running import Running, running


@pytest.fixture(scope="session")
def server(made_artifact: Path, made_chat_artifact: Path) -> Iterator[Running]:
    with running(made_artifact, made_chat_artifact) as found:
        yield found

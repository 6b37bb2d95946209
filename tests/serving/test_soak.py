"""Many clients for a while: nothing breaks, no answer is wrong, memory stays where it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.serving.soak import soak

SECONDS = float(os.environ.get("EDGEKIT_SOAK_SECONDS", "60"))
LONG_SECONDS = 600.0
MOST_GROWTH, MOST_GROWTH_BYTES = 0.1, 32_000_000
"""Of memory, between the second quarter of the time and the last; whichever is more."""


def hold(artifacts: list[Path], seconds: float) -> None:
    found = soak(artifacts, seconds)
    print(*found.lines(), sep="\n")
    assert set(found.statuses) <= {200, 429, 503}
    assert found.wrong == []
    assert {path for _, _, path in found.answers} == {
        "/v1/classify", "/v1/chat/completions", "/v1/summarize", "/v1/embeddings",
    }  # fmt: skip
    early, late = found.growth()
    assert late <= early + max(MOST_GROWTH_BYTES, MOST_GROWTH * early)


def test_sixty_four_clients(
    made_artifact: Path, made_chat_artifact: Path, made_summarizer: Path
) -> None:
    hold([made_artifact, made_chat_artifact, made_summarizer], SECONDS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_sixty_four_clients_for_ten_minutes(
    made_artifact: Path, made_chat_artifact: Path, made_summarizer: Path
) -> None:
    hold([made_artifact, made_chat_artifact, made_summarizer], LONG_SECONDS)

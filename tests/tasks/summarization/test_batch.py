"""A table of texts for a summarizer."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from edgekit.errors import EdgekitError
from tests.tiny.summarizer import make_summarizer

TEXT = " ".join(f"The room number {n} is warm and the lamp of hall {n} is on." for n in range(60))


def test_each_text_gets_a_summary(tmp_path: Path) -> None:
    folder = make_summarizer(tmp_path / "tiny-summaries-onnx")
    found = edgekit.Handle(folder, options={"words": 30})({"text": [TEXT, "…", TEXT]})
    assert list(found) == [
        "text", "summary", "parts_read", "parts", "summary_language", "warnings", "error",
    ]  # fmt: skip
    with edgekit.load(folder) as model:
        alone = model.summarize(TEXT, words=30)
    assert found["summary"] == [alone.text, None, alone.text]
    assert found["parts_read"][0] == found["parts"][0] == alone.parts
    assert found["error"][1] == "There are no words in this text, so there is nothing to summarize."
    with pytest.raises(EdgekitError, match="no option 'word' for a summarizer"):
        edgekit.Handle(folder, options={"word": 30})

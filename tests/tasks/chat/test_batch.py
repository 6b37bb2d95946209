"""A table of texts for a chat artifact: answered each by itself, or labelled."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from edgekit.errors import EdgekitError


def test_each_text_is_a_conversation_of_its_own(made_chat_artifact: Path) -> None:
    options = {"max_tokens": 8, "system": "Be brief."}
    handle = edgekit.Handle(made_chat_artifact, options=options, threads=1, context=256)
    texts = ["Why is the sky blue?", "word " * 600, "Why is the sky blue?"]
    found = handle({"text": texts})
    assert list(found) == ["text", "reply", "ended", "tokens", "error"]
    # Whoever came before, the same text has the same answer.
    assert found["reply"][0] == found["reply"][2]
    assert found["tokens"][0] == found["tokens"][2] <= 8
    assert found["reply"][1] is None
    assert "tokens" in found["error"][1]
    with edgekit.load(made_chat_artifact, threads=1, context=256) as model:
        messages = [{"role": "system", "content": "Be brief."},
                    {"role": "user", "content": texts[0]}]  # fmt: skip
        assert found["reply"][0] == model.chat(messages, max_tokens=8, seed=0).text


def test_with_labels_each_text_gets_one(made_chat_artifact: Path) -> None:
    handle = edgekit.Handle(made_chat_artifact, options={"labels": ["heat", "light"]}, threads=1)
    found = handle({"text": ["lamp on", ""]})
    assert list(found) == ["text", "label", "score", "abstained", "parts", "error"]
    assert found["label"][0] in {"heat", "light"}
    assert found["error"][0] is None
    assert "empty" in found["error"][1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"instruction": "Which?"}, "belongs to labels"),
        ({"abstain_below": 0.5}, "belongs to labels"),
        ({"max_token": 8}, "no option 'max_token' .* mean 'max_tokens'"),
        ({"labels": "a,b"}, "must be of the type list"),
        ({"labels": ["a", "b"], "seed": 1}, "no option 'seed' for a chat artifact that labels"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    made_chat_artifact: Path, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(EdgekitError, match=sentence):
        edgekit.Handle(made_chat_artifact, options=options)

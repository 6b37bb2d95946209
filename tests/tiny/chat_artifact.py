"""Tiny chat artifacts: a random decoder, converted, with golden answers of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgekit.artifact import folder as artifact
from edgekit.data.conversation import Message
from edgekit.export.gguf.convert import convert
from edgekit.runtime.gguf.engine import LlamaChat
from edgekit.runtime.gguf.native import Llama, Opening
from tests.tiny import llama as tiny_llama
from tests.tiny.artifact import fields

PROMPTS: tuple[list[Message], ...] = (
    [{"role": "user", "content": "What is the capital of Kenya?"}],
    [{"role": "user", "content": "你好"}],
)


_MADE: dict[str, Path] = {}


def tiny_gguf(factory: pytest.TempPathFactory) -> Path:
    """One random decoder for all tests of a run, its checkpoint in `checkpoint` beside it.

    Its heads are 32 numbers wide, so that it can remember in 8 bits.
    """
    if "gguf" not in _MADE:
        folder = factory.mktemp("decoder")
        checkpoint = tiny_llama.make_checkpoint(folder / "checkpoint", "llama", hidden=128)
        convert(checkpoint, folder / "model.gguf")
        _MADE["gguf"] = folder / "model.gguf"
    return _MADE["gguf"]


def make_chat_artifact(
    folder: Path, gguf: Path, *, trained_context: int = 512, **changes: Any
) -> Path:
    """An artifact around a GGUF; `changes` are fields of its manifest or model."""
    folder.mkdir(parents=True)
    (folder / "model.gguf").write_bytes(gguf.read_bytes())
    (folder / "LICENSE").write_text("Made in a test; anybody may do anything with it.\n")
    (folder / "MODEL_CARD.md").write_text("# tiny-chat\nWeights by chance.\n")
    golden = {"inputs": list(PROMPTS), "answers": first_tokens(gguf, PROMPTS)}
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    artifact.write(folder, chat_fields(trained_context=trained_context, **changes))
    return folder


def chat_fields(*, trained_context: int = 512, **changes: Any) -> dict[str, Any]:
    """What a build gives to `artifact.write`."""
    whole = fields(name="tiny-chat", task="chat", languages=["en"], labels=[])
    whole["model"] = {
        "format": "gguf", "files": ["model.gguf"], "quantization": "f16", "parameters": 100_000,
        "max_tokens": trained_context, "prefix": "", "temperature": 1.0, "abstain_below": 0.0,
        "chat": {
            "template_sha256": "", "context": trained_context, "kv_bytes_per_token": 512,
            "vocabulary": 1000,
        },
    }  # fmt: skip
    for name, value in changes.items():
        place = whole["model"] if name in whole["model"] else whole
        place[name] = value
    return whole


def first_tokens(gguf: Path, prompts: Sequence[list[Message]]) -> list[dict[str, list[int]]]:
    engine = LlamaChat(Llama(gguf, Opening(context=256, threads=1)), threads=1)
    try:
        return [{"tokens": engine.first_tokens(prompt, 4)} for prompt in prompts]
    finally:
        engine.close()

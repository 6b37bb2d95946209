"""A tiny real artifact that summarizes by choosing sentences: an encoder with weights by chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx

from edgekit.artifact import folder as artifact
from edgekit.runtime.onnx import EMBEDDING, OnnxModel
from edgekit.runtime.tokens import TextTokenizer
from tests.tiny import artifact as tiny_artifact

WIDTH = 16
GOLDEN = ("turn up the heating", "éteins la lumière", "关灯")
QUALITY = {"by_language": {"en": {"rows": 100}, "fr": {"rows": 100}}}


def make_summarizer(folder: Path, **changes: Any) -> Path:
    """An artifact that `edgekit.load` takes; `changes` are fields of its manifest or model."""
    folder.mkdir(parents=True)
    tokenizer = tiny_artifact.make_tokenizer()
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    data = tiny_artifact.make_onnx(tokenizer.get_vocab_size(), labels=WIDTH)
    (folder / "model.onnx").write_bytes(_as_encoder(data))
    (folder / "LICENSE").write_text("Made in a test; anybody may do anything with it.\n")
    (folder / "MODEL_CARD.md").write_text("# tiny-summaries\nWeights by chance.\n")
    golden = {"inputs": list(GOLDEN), "answers": _vectors(folder), "tolerance": 0.02}
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False), encoding="utf-8")
    fields = {"name": "tiny-summaries", "task": "summarization", "labels": [], "quality": QUALITY}
    written = tiny_artifact.fields(**fields)
    written["model"]["summary"] = {"engine": "extractive", "words": 30, "generation": {}}
    for name, value in changes.items():
        place = written["model"] if name in written["model"] else written
        place[name] = value
    artifact.write(folder, written)
    return folder


def _as_encoder(data: bytes) -> bytes:
    model = onnx.load_from_string(data)
    model.graph.output[0].name = EMBEDDING
    for node in model.graph.node:
        node.output[:] = [EMBEDDING if name == "logits" else name for name in node.output]
    return bytes(model.SerializeToString())


def _vectors(folder: Path) -> list[dict[str, list[float]]]:
    encoder = TextTokenizer(folder / "tokenizer.json", max_tokens=32)
    with OnnxModel((folder / "model.onnx").read_bytes, encoder, output=EMBEDDING) as model:
        return [{"vector": [float(one) for one in model.vector(text)[0]]} for text in GOLDEN]

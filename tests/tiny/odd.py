"""Tiny checkpoints and recipes that are odd in one way each: what people really bring."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import (
    BartConfig,
    BartForSequenceClassification,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForSequenceClassification,
    T5Config,
    T5ForSequenceClassification,
)

from tests.tiny import chat as tiny_chat
from tests.tiny import encoder as tiny
from tests.tiny import extractive as tiny_extractive
from tests.tiny import llama as tiny_llama
from tests.tiny import seq2seq as tiny_seq2seq

Make = Callable[[Path], Path]
"""Makes a project in a folder; returns the recipe's path."""
MISSING = object()
"""As a value: the key is taken out."""
LIGHT = """\
version: 1
name: odd
task: classification
languages: [en, fr, ar]
model: ./encoder
data: {validation: data/validation.csv, test: data/test.csv}
outputs:
  - onnx: {}
"""
"""A recipe without training: a checkpoint with a head, exported and judged."""
_LONG = "turn up the heating, it is cold in the kitchen "


def edit(path: Path, **values: Any) -> None:
    """Changes keys of a JSON file."""
    found = json.loads(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        found.pop(key, None) if value is MISSING else found.update({key: value})
    path.write_text(json.dumps(found), encoding="utf-8")


def classifier(**config: Any) -> Make:
    """An encoder with a head, whose config.json says something odd."""
    return lambda folder: _edited(_classifier(folder), "encoder/config.json", config)


def tokenizer(**settings: Any) -> Make:
    """The same, whose tokenizer_config.json does."""
    return lambda folder: _edited(_classifier(folder), "encoder/tokenizer_config.json", settings)


def decoder(architecture: str = "llama", *, layers: int = 2, **config: Any) -> Make:
    def make(folder: Path) -> Path:
        recipe = tiny_chat.make_project(folder, recipe=_light(tiny_chat.RECIPE))
        shutil.rmtree(folder / "model")
        (folder / "model").mkdir()
        tiny_llama.make_checkpoint(folder / "model", architecture, layers=layers)
        return _edited(recipe, "model/config.json", config)

    return make


def writer(family: str, *, layers: int = 1, **config: Any) -> Make:
    """An encoder-decoder with weights by chance."""

    def make(folder: Path) -> Path:
        made = tiny_seq2seq.make_model(folder / "made", family=family, trained=False, layers=layers)
        recipe = tiny_seq2seq.make_project(folder, made, recipe=_light(tiny_seq2seq.RECIPE))
        return _edited(recipe, "model/config.json", config)

    return make


def with_head(model: Callable[[int], PreTrainedModel], *, task: str = "classification") -> Make:
    """A classification head on a model that is no encoder."""

    def make(folder: Path) -> Path:
        recipe = _classifier(folder)
        shutil.rmtree(folder / "encoder")
        pieces = tiny.make_tokenizer(folder / "encoder")
        model(len(pieces)).save_pretrained(folder / "encoder")
        recipe.write_text(recipe.read_text("utf-8").replace("classification", task), "utf-8")
        return recipe

    return make


def without_data(make: Make) -> Make:
    def made(folder: Path) -> Path:
        recipe = make(folder)
        text = re.sub(r"data:.*\n(  .*\n)*(must:.*\n)?", "data: {}\n", recipe.read_text("utf-8"))
        recipe.write_text(text, encoding="utf-8")
        return recipe

    return made


def long_rows(make: Make) -> Make:
    """Rows many times as long as the model's window."""

    def made(folder: Path) -> Path:
        recipe = make(folder)
        for path in (folder / "data").glob("*.csv"):
            head, *lines = path.read_text(encoding="utf-8").splitlines()
            lines = [_LONG.replace(",", "") * 30 + line for line in lines]
            path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
        return recipe

    return made


def one_class(folder: Path) -> Path:
    recipe = tiny.make_project(folder)
    for name in ("train", "validation", "test"):
        path = folder / "data" / f"{name}.csv"
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([head, *(one for one in lines if ",heat," in one)]) + "\n")
    return recipe


def bart(pieces: int) -> PreTrainedModel:
    config = BartConfig(
        vocab_size=pieces, d_model=32, encoder_layers=1, decoder_layers=1, num_labels=3,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32,
    )  # fmt: skip
    return BartForSequenceClassification(config)


def qwen2(pieces: int) -> PreTrainedModel:
    config = Qwen2Config(
        vocab_size=pieces, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=32, num_labels=3,
    )  # fmt: skip
    return Qwen2ForSequenceClassification(config)


def t5(pieces: int) -> PreTrainedModel:
    config = T5Config(
        vocab_size=pieces, d_model=32, d_kv=16, num_heads=2, d_ff=32, num_layers=1, num_labels=3
    )
    return T5ForSequenceClassification(config)


def summaries(folder: Path) -> Path:
    return tiny_extractive.make_project(folder, recipe=_light(tiny_extractive.RECIPE))


def _classifier(folder: Path) -> Path:
    folder.mkdir(parents=True)
    tiny.make_encoder(folder / "encoder", labels=tiny.LABELS)
    tiny.write_rows(folder / "data")
    (folder / "recipe.yaml").write_text(LIGHT, encoding="utf-8")
    return folder / "recipe.yaml"


def _edited(recipe: Path, name: str, values: dict[str, Any]) -> Path:
    if values:
        edit(recipe.parent / name, **values)
    return recipe


def _light(recipe: str) -> str:
    """Without a step, without what must hold, and unrounded: as quick as a build can be."""
    recipe = re.sub(r"must:.*\n", "", recipe)
    return recipe.replace("onnx: {quantize: int8}", "onnx: {}").replace(
        "quantize: q8_0, calibration_tokens: 256", "quantize: q8_0"
    )

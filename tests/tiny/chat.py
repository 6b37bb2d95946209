"""A tiny decoder with texts and conversations in three languages: what the chat tests compress."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tiny import llama as tiny_llama

LANGUAGES = ("en", "fr", "sw")
TEXTS_OF_EACH = 28
SETS = {"train": 4, "validation": 4, "test": 20}
"""Rows of each language in each set."""

RECIPE = """\
version: 1
name: tiny-chat
task: chat
languages: [en, fr, sw]
model: ./model
data:
  train: data/train.jsonl
  validation: data/validation.jsonl
  test: data/test.jsonl
must: {kld: 0.05, top1: 0.85, ppl_ratio: 1.05, worst_language_kld: 0.1}
outputs:
  - gguf: {quantize: q8_0, calibration_tokens: 256}
seed: 7
"""


def rows(name: str) -> list[dict[str, Any]]:
    """Every second row is a conversation, the others are plain texts."""
    first = sum(count for earlier, count in SETS.items() if earlier < name)
    found: list[dict[str, Any]] = []
    for language in LANGUAGES:
        texts = tiny_llama.texts([language], of_each=TEXTS_OF_EACH)
        for number, text in enumerate(texts[first : first + SETS[name]]):
            told: dict[str, Any] = {"text": text}
            if number % 2:
                asked = {"role": "user", "content": text}
                answered = {"role": "assistant", "content": text[: len(text) // 2]}
                told = {"messages": [asked, answered]}
            found.append({**told, "language": language, "group": f"{language}-{number}"})
    return found


def write_rows(path: Path, records: list[dict[str, Any]]) -> Path:
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def make_project(folder: Path, *, architecture: str = "llama", recipe: str = RECIPE) -> Path:
    """As tiny.make_project, for the task chat; returns the recipe's path."""
    (folder / "model").mkdir(parents=True)
    (folder / "data").mkdir()
    tiny_llama.make_checkpoint(folder / "model", architecture)
    for name in SETS:
        write_rows(folder / "data" / f"{name}.jsonl", rows(name))
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.yaml"

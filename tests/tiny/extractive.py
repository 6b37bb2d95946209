"""A tiny encoder, texts and summaries by people: what an extractive summarizer is made of."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.tiny import encoder as tiny

RECIPE = """\
version: 1
name: tiny-summaries
task: summarization
languages: [en, fr, ar]
model: ./encoder
words: 8
data: {validation: data/validation.csv, test: data/test.csv}
must: {metric: rougeLsum, keep: 0.5}
outputs:
  - onnx: {quantize: int8}
"""


def make_project(folder: Path, *, recipe: str = RECIPE) -> Path:
    """As tiny.make_project, for summaries of whole sentences; returns the recipe's path."""
    (folder / "encoder").mkdir(parents=True)
    (folder / "data").mkdir()
    tiny.make_encoder(folder / "encoder")
    for number, name in enumerate(("validation", "test")):
        with (folder / "data" / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "summary", "language", "group"])
            for language, labels in tiny.LANGUAGES.items():
                texts = [text for group in labels.values() for text in group]
                for n in range(6):
                    told = [
                        f"{texts[(n + 2 * i + number) % len(texts)]} {n}{number}." for i in range(5)
                    ]
                    writer.writerow([" ".join(told), told[2], language, f"{language}{n}"])
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.yaml"

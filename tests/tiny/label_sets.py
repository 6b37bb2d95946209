"""Rows whose texts have several of the tiny labels, or none, made of the tiny texts."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import torch
from transformers import BertForSequenceClassification

from tests.tiny import encoder as tiny

NEUTRAL = {"en": "good morning", "fr": "bonjour à tous", "ar": "صباح الخير"}
RECIPE = tiny.RECIPE.replace("name: tiny", "name: tiny-sets").replace("epochs: 8", "epochs: 6")


def rows() -> list[tuple[str, tuple[str, ...], str]]:
    """Texts of each language with one label, with two and with none."""
    found: list[tuple[str, tuple[str, ...], str]] = []
    for language, labels in tiny.LANGUAGES.items():
        found += [(text, (label,), language) for label, texts in labels.items() for text in texts]
        for some, others in itertools.combinations(labels, 2):
            pairs = itertools.product(labels[some], labels[others])
            found += [(f"{one}, {two}", (some, others), language) for one, two in pairs]
        found += [(f"{NEUTRAL[language]}{ending}", (), language) for ending in tiny.ENDINGS[:6]]
    return found


def make_project(folder: Path, *, recipe: str = RECIPE) -> Path:
    """As tiny.make_project; returns the recipe's path."""
    (folder / "encoder").mkdir(parents=True)
    tiny.make_encoder(folder / "encoder")
    write_rows(folder / "data")
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.yaml"


def make_headed_project(folder: Path, *, recipe: str) -> Path:
    """The same with a head by chance in place of training, and wide scores."""
    path = make_project(folder, recipe=recipe)
    encoder = folder / "encoder"
    tiny.make_encoder(encoder, labels=tiny.LABELS)
    model = BertForSequenceClassification.from_pretrained(encoder)
    model.config.problem_type = "multi_label_classification"
    with torch.no_grad():
        model.classifier.weight.mul_(60)
    model.save_pretrained(encoder)
    return path


def write_rows(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sets: dict[str, list[tuple[str, str, str]]] = {"train": [], "validation": [], "test": []}
    for number, (text, labels, language) in enumerate(rows()):
        for place, ending in enumerate(("", "!", " 2", " please")):
            name = ("train", "train", "validation", "test")[(number + place) % 4]
            sets[name].append((text + ending, "|".join(labels), language))
    for name, found in sets.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "labels", "language"])
            writer.writerows(found)

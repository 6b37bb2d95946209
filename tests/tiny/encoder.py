"""Tiny real checkpoints and data, made in a second or two: what the tests compress."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
)

LABELS = ("heat", "light", "music")
LANGUAGES = {
    "en": {
        "heat": ["warm the room", "turn up the heating", "it is cold in the kitchen"],
        "light": ["lamp on", "make the hall bright", "switch off the lamp in the kitchen"],
        "music": ["play a song", "sing something", "louder music in the hall"],
    },
    "fr": {
        "heat": ["chauffe la chambre", "monte le chauffage", "il fait froid ici"],
        "light": ["allume la lampe", "éteins la lumière", "éclaire le couloir"],
        "music": ["joue une chanson", "mets de la musique", "chante dans la cuisine"],
    },
    "ar": {
        "heat": ["دفئ الغرفة", "شغل التدفئة", "الجو بارد في المطبخ"],
        "light": ["أشعل المصباح", "أطفئ الضوء", "أنر الممر"],
        "music": ["شغل أغنية", "ارفع صوت الموسيقى", "غن لي شيئا"],
    },
}
TOKENIZER = Path(__file__).with_name("tokenizer.json")
ENDINGS = ["", "!", " 2", " please", " now", " ok", " …", " again", " 3", "?", " thanks", " 7"]


def write_rows(folder: Path, *, per_text: int = 6) -> None:
    """train.csv, validation.csv and test.csv, which share no text."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(0)
    sets: dict[str, list[tuple[str, str, str, str]]] = {"train": [], "validation": [], "test": []}
    for language, labels in LANGUAGES.items():
        for label, texts in labels.items():
            for text in texts:
                endings = generator.sample(ENDINGS, min(per_text, len(ENDINGS)))
                for number, ending in enumerate(endings):
                    name = ("train", "train", "validation", "test")[number % 4]
                    sets[name].append((text + ending, label, language, f"{language}-{text}"))
    for name, rows in sets.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "label", "language", "group"])
            writer.writerows(rows)


def texts() -> list[str]:
    return [
        text + ending
        for labels in LANGUAGES.values()
        for group in labels.values()
        for text in group
        for ending in ENDINGS
    ]


def make_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """A Unigram tokenizer of the XLM-R kind, once trained on the tiny texts.

    Not trained here: the library's trainer gives other scores in every process, and with them other
    weights to every checkpoint that is made of it.
    """
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=64,
    )
    fast.save_pretrained(folder)
    return fast


def make_encoder(folder: Path, *, labels: tuple[str, ...] | None = None, layers: int = 2) -> Path:
    """A BERT of 64 dimensions; an encoder without a head unless `labels` are given."""
    tokenizer = make_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    if labels is None:
        model: BertModel | BertForSequenceClassification = BertModel(config)
    else:
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    (folder / "LICENSE").write_text("Made in a test; anybody may do anything with it.\n")
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\nA tiny encoder.\n")
    return folder


RECIPE = """\
version: 1
name: tiny
task: classification
languages: [en, fr, ar]
model: ./encoder
data:
  train: data/train.csv
  validation: data/validation.csv
  test: data/test.csv
must: {metric: macro_f1, keep: 0.5}
steps:
  - finetune: {epochs: 8, learning_rate: 1e-3, freeze_embeddings: false, patience: 8}
outputs:
  - onnx: {quantize: int8}
seed: 7
"""


def make_project(folder: Path, *, recipe: str = RECIPE) -> Path:
    """A folder as `edgekit sample` leaves one; returns the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "encoder").mkdir()
    make_encoder(folder / "encoder")
    write_rows(folder / "data", per_text=12)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.yaml"

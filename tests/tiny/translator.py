"""Tiny translators as they are published: sentencepiece's files, no tokenizer.json.

The toy task: a text is one to three of the tiny commands; its translation is the same commands in
the other language, each by its first wording.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import M2M100Tokenizer, MarianTokenizer, NllbTokenizer
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

from edgekit.data import declaration
from tests.tiny import encoder as tiny
from tests.tiny import seq2seq

CODES = {"fr": ">>fra<<", "sw": ">>swa<<"}
WINDOW = 64
RECIPE = """\
version: 1
name: tiny
task: translation
languages: {from: [en], to: [fr, sw]}
model: ./model
data:
  train: data/train.jsonl
  validation: data/validation.jsonl
  test: data/test.jsonl
must: {keep: 0.5}
outputs:
  - onnx: {quantize: none}
seed: 7
"""


@dataclass(frozen=True)
class Pair:
    source: str
    target: str
    to: str


def pairs(count: int, *, targets: Sequence[str] = ("fr", "sw"), seed: int = 0) -> list[Pair]:
    generator = random.Random(seed)
    found: dict[tuple[str, str], Pair] = {}
    while len(found) < count:
        labels = generator.choices(tiny.LABELS, k=generator.choice((1, 2, 3)))
        to = generator.choice(list(targets))
        source = ". ".join(generator.choice(tiny.LANGUAGES["en"][label]) for label in labels)
        target = ". ".join(WORDINGS[to][label] for label in labels)
        found[source, to] = Pair(source, target, to)
    return list(found.values())


WORDINGS: Mapping[str, Mapping[str, str]] = {
    "fr": {label: texts[0] for label, texts in tiny.LANGUAGES["fr"].items()},
    "sw": dict(
        zip(tiny.LABELS, ("washa taa", "zima moto", "fungua mlango", "cheza muziki"), strict=False)
    ),
}


@cache
def spm(languages: tuple[str, ...], *, size: int, kind: str = "unigram") -> bytes:
    """A sentencepiece model of the Declaration in these languages, and of the tiny commands."""
    texts = [text for one in languages for text in declaration.paragraphs(one)]
    for one in languages:
        texts += [text for own in tiny.LANGUAGES.get(one, {}).values() for text in own]
        texts += list(WORDINGS.get(one, {}).values())
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=out,
        vocab_size=size,
        model_type=kind,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return out.getvalue()


def pieces_of(model: bytes) -> list[str]:
    reader = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [reader.id_to_piece(number) for number in range(3, len(reader))]


def marian_files(
    folder: Path,
    *,
    targets: Sequence[str] = ("fr", "sw"),
    codes: bool = True,
    kind: str = "unigram",
) -> Mapping[str, int]:
    """The files that Marian's tokenizer is made of; returns vocab.json."""
    folder.mkdir(parents=True, exist_ok=True)
    source = spm(("en",), size=500, kind=kind)
    target = spm(tuple(targets), size=900, kind=kind)
    (folder / "source.spm").write_bytes(source)
    (folder / "target.spm").write_bytes(target)
    names: Iterable[str] = sorted({*pieces_of(source), *pieces_of(target)})
    if codes:
        names = [*names, *(CODES.get(one, f">>{one}<<") for one in targets)]
    listed = ["</s>", "<unk>", *names, "<pad>"]
    vocabulary = {name: number for number, name in enumerate(listed)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    told = {"source_lang": "en", "target_lang": targets[0], "model_max_length": WINDOW}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    return vocabulary


def make_marian(
    folder: Path,
    *,
    targets: Sequence[str] = ("fr", "sw"),
    codes: bool = True,
    trained: int = 0,
    layers: int = 2,
) -> Path:
    """A Marian as it is published; `trained` on that many pairs, or with weights by chance."""
    vocabulary = marian_files(folder, targets=targets, codes=codes)
    model: Any = seq2seq.new_model("marian", len(vocabulary), layers=layers)
    pad, end = vocabulary["<pad>"], vocabulary["</s>"]
    for config in (model.config, model.generation_config):
        config.pad_token_id = config.decoder_start_token_id = pad
        config.eos_token_id, config.bos_token_id = end, None
    model.config.forced_eos_token_id = None
    if trained:
        _train(model, folder, pairs(trained, targets=targets), codes=codes)
    else:
        seq2seq._spread(model)
    model.generation_config.update(
        max_length=16, num_beams=4, bad_words_ids=[[pad]], forced_eos_token_id=end
    )
    model.save_pretrained(folder)
    _say(folder)
    return folder


def make_m2m(folder: Path, *, kind: str = "unigram") -> Path:
    """An M2M100 as it is published, with weights by chance."""
    folder.mkdir(parents=True, exist_ok=True)
    data = spm(("en", "fr", "sw"), size=900, kind=kind)
    (folder / "sentencepiece.bpe.model").write_bytes(data)
    listed = ["<s>", "<pad>", "</s>", "<unk>", *pieces_of(data)]
    vocabulary = {name: number for number, name in enumerate(dict.fromkeys(listed))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    codes = [f"__{one}__" for one in FAIRSEQ_LANGUAGE_CODES["m2m100"]]
    told = {"model_max_length": WINDOW, "additional_special_tokens": codes}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    tokenizer = M2M100Tokenizer.from_pretrained(folder)
    rows = 1 + max(tokenizer.lang_code_to_id.values())
    model: Any = seq2seq.new_model("m2m_100", rows)
    seq2seq._spread(model)
    for config in (model.config, model.generation_config):
        config.pad_token_id, config.bos_token_id = 1, 0
        config.eos_token_id = config.decoder_start_token_id = 2
    model.generation_config.update(max_length=16, num_beams=5, early_stopping=True)
    model.save_pretrained(folder)
    _say(folder)
    return folder


def make_nllb(folder: Path) -> Path:
    """An NLLB, which is published with a tokenizer.json; with weights by chance."""
    folder.mkdir(parents=True, exist_ok=True)
    bare = Tokenizer(models.BPE(unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.Metaspace()
    texts = [text for one in ("en", "fr", "sw") for text in declaration.paragraphs(one)]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    bare.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    )
    found = json.loads(bare.to_str())["model"]
    merges = [tuple(pair) for pair in found["merges"]]
    tokenizer: Any = NllbTokenizer(vocab=found["vocab"], merges=merges, model_max_length=WINDOW)
    tokenizer.save_pretrained(folder)
    model: Any = seq2seq.new_model("m2m_100", len(tokenizer))
    seq2seq._spread(model)
    for config in (model.config, model.generation_config):
        config.pad_token_id, config.bos_token_id = 1, 0
        config.eos_token_id = config.decoder_start_token_id = 2
    model.generation_config.update(max_length=16, num_beams=2)
    model.save_pretrained(folder)
    _say(folder)
    return folder


def make_project(folder: Path, checkpoint: Path, *, recipe: str = RECIPE, count: int = 100) -> Path:
    """A folder with a checkpoint and rows that no two sets share; returns the recipe's path."""
    (folder / "data").mkdir(parents=True)
    (folder / "model").symlink_to(checkpoint)
    rows = pairs(count, seed=3)
    texts = list(dict.fromkeys(row.source for row in rows))
    cut = {text: number / len(texts) for number, text in enumerate(texts)}
    sets: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        share = cut[row.source]
        sets["train" if share < 0.6 else "validation" if share < 0.75 else "test"].append(row)
    for name, own in sets.items():
        with (folder / "data" / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
            for row in own:
                told = {"source": row.source, "target": row.target, "from": "en", "to": row.to}
                stream.write(json.dumps(told, ensure_ascii=False) + "\n")
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.yaml"


def _say(folder: Path) -> None:
    (folder / "LICENSE").write_text("Made in a test; anybody may do anything with it.\n")
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\nA tiny translator.\n")


def _train(model: Any, folder: Path, learnt: Sequence[Pair], *, codes: bool) -> None:
    tokenizer = MarianTokenizer.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    size, rounds = 32, len(learnt) // 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=rounds)
    model.train()
    for start in range(0, rounds * size, size):
        part = learnt[start : start + size]
        texts = [f"{CODES[one.to]} {one.source}" if codes else one.source for one in part]
        inputs = tokenizer(
            texts, text_target=[one.target for one in part], padding=True, return_tensors="pt"
        )
        labels = inputs.pop("labels")
        labels[labels == tokenizer.pad_token_id] = -100
        loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()

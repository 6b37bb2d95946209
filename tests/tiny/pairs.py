"""Tiny checkpoints that read pairs of texts, and rows of pairs whose label only both texts tell."""

from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, processors
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    Pipeline,
    PreTrainedTokenizerFast,
    TextClassificationPipeline,
)

from edgekit.data.inputs import Pair
from tests.tiny import encoder as tiny
from tests.tiny import filled

LABELS = ("first", "second")
_TWO_ENDS = "<s> $A </s> </s> $B </s>"
_TYPED = "<s> $A </s> $B:1 </s>:1"
KINDS: dict[str, tuple[str, bool]] = {
    "bert": (_TYPED, True),
    "electra": (_TYPED, True),
    "albert": (_TYPED, True),
    "deberta": (_TYPED, True),
    "deberta-v2": (_TYPED, True),
    "distilbert": (_TYPED, False),
    "eurobert": (_TYPED, False),
    "gte": (_TYPED, False),
    "modernbert": (_TYPED, False),
    "mpnet": ("<s> $A </s> </s> $B:1 </s>:1", False),
    "xlm-roberta": (_TWO_ENDS, False),
    "roberta": (_TWO_ENDS, False),
    "camembert": (_TWO_ENDS, False),
}
"""By model type, what its tokenizer sets around a pair, and whether it gives token types."""
PAIRS = (
    ("turn up the heating", "it is cold in the kitchen"),
    ("lamp on", "allume la lampe"),
    ("شغل أغنية", "play a song"),
    ("a", "lamp " * 12),
    ("louder music </s> in the hall", "<s>"),
)


def make_tokenizer(
    folder: Path, *, pair: str = _TYPED, types: bool = True
) -> PreTrainedTokenizerFast:
    """The tiny tokenizer with a post-processor for pairs."""
    tokenizer = Tokenizer.from_file(str(tiny.TOKENIZER))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
        model_input_names=["input_ids", *(["token_type_ids"] if types else []), "attention_mask"],
    )
    fast.save_pretrained(folder)
    return fast


def make_checkpoint(folder: Path, kind: str, **changes: Any) -> Path:
    """A classifier of this model type with weights by chance."""
    folder.mkdir(parents=True, exist_ok=True)
    pair, types = KINDS[kind]
    tokenizer = make_tokenizer(folder, pair=pair, types=types)
    told = {**filled.CASES[kind], "max_position_embeddings": 64, **changes}
    if pair == _TWO_ENDS:
        told.setdefault("type_vocab_size", 1)  # as published ones have it
    config = filled.AutoConfig.for_model(kind, vocab_size=len(tokenizer), **told)
    filled.make(kind, config).save_pretrained(folder)
    return folder


def pipeline(folder: Path) -> Pipeline:
    """transformers' own, which gives logits."""
    model = filled.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    return TextClassificationPipeline(
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(folder),
        function_to_apply="none",
        top_k=None,
        device="cpu",
    )


def theirs(asked: Pipeline, pair: Pair) -> list[float]:
    """The logits of a pair in the order of the labels."""
    found = asked({"text": pair[0], "text_pair": pair[1]})
    by_label = {one["label"]: one["score"] for one in found}
    return [by_label[label] for _, label in sorted(asked.model.config.id2label.items())]


HOT, OTHER = ("heating", "warm", "cold"), ("lamp", "bright", "song", "music", "switch", "hall")
_ENDINGS = ("", " the room", " on", " in the kitchen", " please", " now")


def rows() -> list[tuple[str, str, str]]:
    """Pairs, and which of the two is about heat: the same words in the other order have the other
    label."""
    found = []
    for (hot, other), (one, two) in itertools.product(
        itertools.product(HOT, OTHER), itertools.product(_ENDINGS[:3], _ENDINGS[3:])
    ):
        found.append((f"{hot}{one}", f"{other}{two}", LABELS[0]))
        found.append((f"{other}{one}", f"{hot}{two}", LABELS[1]))
    random.Random(0).shuffle(found)
    return found


def write_rows(folder: Path) -> None:
    """train.csv, validation.csv and test.csv, which share no pair."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = rows()
    cuts = {"test": everything[::6], "validation": everything[1::6]}
    cuts["train"] = [row for number, row in enumerate(everything) if number % 6 > 1]
    for name, some in cuts.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "text_pair", "label", "language"])
            writer.writerows((*row, "en") for row in some)


def make_encoder(folder: Path, *, labels: tuple[str, ...] | None = None, layers: int = 2) -> Path:
    """A BERT of 64 dimensions as tests/tiny/encoder.py makes it, whose tokenizer knows pairs."""
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
    model: Any = BertModel(config)
    if labels is not None:
        config.num_labels, config.id2label = len(labels), dict(enumerate(labels))
        model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\nA tiny encoder.\n")
    return folder


RECIPE = """\
version: 1
name: nli
task: classification
languages: [en]
model: ./encoder
data:
  train: data/train.csv
  validation: data/validation.csv
  test: data/test.csv
must: {metric: macro_f1, keep: 0.5}
steps:
  - finetune: {epochs: 2, learning_rate: 2e-3, batch_size: 16, freeze_embeddings: false}
outputs:
  - onnx: {quantize: int8}
seed: 7
"""


def make_project(
    folder: Path, *, recipe: str = RECIPE, labels: tuple[str, ...] | None = None
) -> Path:
    """A folder with an encoder, rows of pairs and a recipe, whose path it returns."""
    (folder / "encoder").mkdir(parents=True)
    make_encoder(folder / "encoder", labels=labels)
    write_rows(folder / "data")
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.yaml"

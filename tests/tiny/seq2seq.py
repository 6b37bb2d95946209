"""Tiny summarizers that really end their summaries: trained for a few seconds, encoder to decoder.

The toy task: a text is two or three of the tiny commands with an ending each; its summary names the
subject of each in the text's language, in order. Summaries differ in length, so that a model only
gets them right that learned where to stop.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    PegasusConfig,
    PegasusForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.tiny import encoder as tiny

START, PAD, END = 0, 1, 2
"""Numbers of the special pieces in tokenizer.json."""
WINDOW = 64
SUBJECTS = {
    language: {label: texts[0] for label, texts in labels.items()}
    for language, labels in tiny.LANGUAGES.items()
}
FAMILIES = ("t5", "bart")
"""Those that are trained; of the others a folder with weights by chance is enough."""


# As the families' published checkpoints have it.
GENERATION: dict[str, dict[str, Any]] = {
    "t5": {},
    "mt5": {},
    "bart": {"forced_bos_token_id": START, "forced_eos_token_id": END},
    "mbart": {"num_beams": 5, "forced_bos_token_id": 9, "forced_eos_token_id": END},
    "pegasus": {"num_beams": 8, "length_penalty": 0.8, "forced_eos_token_id": END},
    "marian": {"num_beams": 4, "bad_words_ids": [[PAD]], "forced_eos_token_id": END},
    "m2m_100": {"num_beams": 5, "early_stopping": True, "forced_bos_token_id": 8},
}


@dataclass(frozen=True)
class Pair:
    text: str
    summary: str
    language: str


def pairs(count: int, *, seed: int = 0) -> list[Pair]:
    generator = random.Random(seed)
    return [_pair(generator) for _ in range(count)]


def _pair(generator: random.Random) -> Pair:
    language = generator.choice(sorted(tiny.LANGUAGES))
    labels = generator.choices(tiny.LABELS, k=generator.choice((1, 2, 2, 3)))
    commands = [generator.choice(tiny.LANGUAGES[language][label]) for label in labels]
    text = ". ".join(command + generator.choice(tiny.ENDINGS) for command in commands)
    subjects = [key for key, _ in itertools.groupby(labels)]
    return Pair(text, " ".join(SUBJECTS[language][label] for label in subjects), language)


def make_tokenizer(folder: Path, *, start: bool = False) -> PreTrainedTokenizerFast:
    """The tiny Unigram tokenizer; ends every text, as T5 has it, and with `start` begins it."""
    tokenizer = Tokenizer.from_file(str(tiny.TOKENIZER))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if start else "$A </s>",
        special_tokens=[("<s>", START), ("</s>", END)],
    )
    tokenizer.decoder = decoders.Metaspace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=WINDOW,
    )
    fast.save_pretrained(folder)
    return fast


def new_model(family: str, vocabulary: int, *, layers: int = 2) -> PreTrainedModel:
    """A model of a family with weights by chance, of 64 dimensions."""
    torch.manual_seed(0)
    special = {"pad_token_id": PAD, "eos_token_id": END}
    if family in ("t5", "mt5"):
        config, model = {
            "t5": (T5Config, T5ForConditionalGeneration),
            "mt5": (MT5Config, MT5ForConditionalGeneration),
        }[family]
        return model(
            config(
                vocab_size=vocabulary,
                d_model=64,
                d_kv=16,
                num_heads=4,
                d_ff=128,
                num_layers=layers,
                num_decoder_layers=layers,
                # Few, so that a summary leaves the buckets for single distances.
                relative_attention_num_buckets=8,
                relative_attention_max_distance=12,
                dropout_rate=0.0,
                decoder_start_token_id=PAD,
                **special,
            )
        )
    config, model = {
        "bart": (BartConfig, BartForConditionalGeneration),
        "mbart": (MBartConfig, MBartForConditionalGeneration),
        "pegasus": (PegasusConfig, PegasusForConditionalGeneration),
        "marian": (MarianConfig, MarianMTModel),
        "m2m_100": (M2M100Config, M2M100ForConditionalGeneration),
    }[family]
    return model(
        config(
            vocab_size=vocabulary,
            d_model=64,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=128,
            decoder_ffn_dim=128,
            max_position_embeddings=WINDOW,
            dropout=0.0,
            encoder_layerdrop=0.0,
            decoder_layerdrop=0.0,
            scale_embedding=family in ("pegasus", "marian", "m2m_100"),
            bos_token_id=START,
            decoder_start_token_id=PAD if family == "marian" else END,
            forced_eos_token_id=None,
            **special,
        )
    )


def make_model(folder: Path, *, family: str = "t5", trained: bool = True, layers: int = 2) -> Path:
    """A checkpoint of a family: config, weights, tokenizer, licence."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(folder, start=family in ("bart", "mbart", "m2m_100"))
    model = new_model(family, len(tokenizer), layers=layers)
    if trained:
        train(model, tokenizer, pairs(2600))
    else:
        _spread(model)
    model.generation_config.update(max_length=24, **GENERATION[family])
    model.save_pretrained(folder)
    (folder / "LICENSE").write_text("Made in a test; anybody may do anything with it.\n")
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\nA tiny summarizer.\n")
    return folder


def _spread(model: PreTrainedModel) -> None:
    """Weights so large that the answers of an untrained model depend on what it reads."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() == 2 and "relative_attention_bias" not in name:
                width = weights.shape[1] ** -0.5
                weights.copy_(torch.randn(weights.shape, generator=generator) * width * 1.5)


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    learnt: Sequence[Pair],
    *,
    batch_size: int = 32,
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    rounds = len(learnt) // batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=rounds)
    model.train()
    for start in range(0, rounds * batch_size, batch_size):
        part = learnt[start : start + batch_size]
        inputs = tokenizer([one.text for one in part], padding=True, return_tensors="pt")
        wanted = tokenizer([one.summary for one in part], padding=True, return_tensors="pt")
        labels = wanted["input_ids"].masked_fill(wanted["attention_mask"] == 0, -100)
        loss = model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=labels
        ).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()


class Writers:
    """The trained checkpoints by family, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, family: str) -> Path:
        made = self._folder / family
        return made if made.is_dir() else make_model(made, family=family)


RECIPE = """\
version: 1
name: tiny
task: summarization
languages: [ar, en, fr]
model: ./model
data:
  train: data/train.jsonl
  validation: data/validation.jsonl
  test: data/test.jsonl
must: {keep: 0.5}
outputs:
  - onnx: {quantize: int8}
seed: 7
"""


def make_project(folder: Path, checkpoint: Path, *, recipe: str = RECIPE) -> Path:
    """A folder with a checkpoint and pairs that no two sets share; returns the recipe's path."""
    shutil.copytree(checkpoint, folder / "model")
    (folder / "data").mkdir()
    distinct = list({one.text: one for one in pairs(600, seed=3)}.values())
    sets = {"train": distinct[:200], "validation": distinct[200:240], "test": distinct[240:300]}
    for name, rows in sets.items():
        with (folder / "data" / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
            for row in rows:
                stream.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.yaml"

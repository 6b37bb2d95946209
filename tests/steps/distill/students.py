"""What the tests of distilling share: a job in a store of its own, and what students leave."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    PreTrainedTokenizerFast,
)

from edgekit.build import plan
from edgekit.job.job import Job
from edgekit.recipe import recipe
from edgekit.store.store import Store
from edgekit.training import predict
from tests.tiny import encoder as tiny

QUICK: dict[str, Any] = {"epochs": 2, "augment": 1, "learning_rate": 1e-3}
TABLE = "static.embeddings.weight"


def changed(job: Job, **changes: Any) -> Job:
    """The job with changes, and an empty folder of its own to write into."""
    out = job.out.parent / f"out-{len(list(job.out.parent.iterdir()))}"
    out.mkdir()
    return dataclasses.replace(job, **{"out": out, **changes})


def stored(job: Job, name: str) -> list[Path]:
    """Folders of the store's entries of one name."""
    store = Store(job.out.parent / "store")
    return [entry.folder for entry in store.entries() if entry.name == name]


def logits(folder: Path, job: Job) -> np.ndarray:
    return predict.logits(folder, [row.text for row in job.dataset.validation], max_tokens=64)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def planned_at(project: Path, checkpoint: Path) -> Any:
    """What the plan of a recipe tells its first step."""
    shutil.rmtree(project / "encoder")
    shutil.copytree(checkpoint, project / "encoder")
    bound = recipe.read(project / "recipe.yaml")
    made = plan.make(bound)
    return plan._planned(bound, made.description, made.dataset, max_tokens=64, device="cpu")


def other_checkpoint(
    folder: Path, *, labels: tuple[str, ...] | None = None, window: int = 64
) -> Path:
    """A DistilBERT with another width and a tokenizer of another kind."""
    folder.mkdir()
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        tiny.texts(),
        trainers.WordPieceTrainer(vocab_size=250, special_tokens=specials, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=window
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), dim=32, n_layers=1, n_heads=2, hidden_dim=64,
        max_position_embeddings=window,
    )  # fmt: skip
    if labels is None:
        DistilBertModel(config).save_pretrained(folder)
        return folder
    config.num_labels, config.id2label = len(labels), dict(enumerate(labels))
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    return folder

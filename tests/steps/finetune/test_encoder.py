from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from edgekit.checkpoint.describe import describe
from edgekit.job.job import Job
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.finetune.encoder.run import run as run_finetune
from edgekit.steps.finetune.settings import FinetuneSettings
from edgekit.tasks.classification.proof.head import Head
from edgekit.training import predict
from edgekit.training.batches import examples
from edgekit.training.lora import Lora
from tests.tiny.job import make_job


@pytest.fixture
def job(project: Path, tmp_path: Path) -> Job:
    return make_job(project, project / "encoder", tmp_path)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix("bert."): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }


TABLE = "embeddings.word_embeddings.weight"
QUERY = "encoder.layer.0.attention.self.query.weight"


@pytest.mark.parametrize(
    ("settings", "frozen"),
    [
        ({"freeze_embeddings": True}, True),
        ({"freeze_embeddings": False}, False),
        ({}, False),  # a small vocabulary is of few languages
        ({"lora": Lora(rank=2)}, True),
        ({"balance": "inverse", "label_smoothing": 0.1, "accumulate": 2}, False),
    ],
    ids=["frozen", "free", "default", "lora", "balanced"],
)
def test_the_checkpoint_it_leaves(job: Job, settings: dict[str, Any], frozen: bool) -> None:
    done = run_finetune(FinetuneSettings(epochs=1, learning_rate=1e-3, **settings), job)
    before, after = weights(job.checkpoint), weights(job.out)
    assert torch.equal(before[TABLE], after[TABLE]) is frozen
    assert not torch.equal(before[QUERY], after[QUERY])
    assert describe(job.out).labels == job.dataset.labels
    assert (job.out / "tokenizer.json").is_file()
    assert (job.out / "LICENSE").is_file()
    assert not [name for name in after if "lora" in name]
    assert 0 <= done["after"]["validation_macro_f1"] <= 1


def test_its_score_is_that_of_the_weights_it_leaves(job: Job) -> None:
    done = run_finetune(FinetuneSettings(epochs=3, learning_rate=1e-3), job)
    texts = [row.text for row in job.dataset.validation]
    logits = predict.logits(job.out, texts, max_tokens=64)
    found = Head(job.dataset.labels).score(logits, job.dataset.validation)
    assert done["after"]["validation_macro_f1"] == pytest.approx(found, abs=1e-5)


def test_a_long_text_is_trained_on_whole(job: Job) -> None:
    encoder = TextTokenizer(job.checkpoint / "tokenizer.json", max_tokens=16)
    text = " ".join(f"lamp {number}" for number in range(40))
    found = examples(encoder, ["lamp", text], [(0,), (2,)])
    assert {example.target for example in found if example.row == 1} == {(2,)}
    assert sum(example.row == 1 for example in found) > 1
    assert max(len(example.ids) for example in found) <= 16

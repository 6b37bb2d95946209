"""Every architecture is pruned as far as it allows, reloads, exports alike; the rest is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from edgekit.checkpoint import models
from edgekit.checkpoint.describe import STATIC, describe
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.data.rows import Row
from edgekit.errors import RecipeError
from edgekit.export.onnx.classifier import export
from edgekit.job.job import Job
from edgekit.recipe.dataset import Dataset
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.prune.encoder import plan as prune
from edgekit.steps.prune.encoder import run as pruning
from edgekit.steps.prune.encoder.plan import PruneSettings
from edgekit.steps.prune.encoder.run import run as run_prune
from edgekit.training import predict
from edgekit.training.batches import examples
from tests.tiny import encoder as tiny

SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128,
    "max_position_embeddings": 80, "pad_token_id": 1, "initializer_range": 0.2,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 64},
    "distilbert": {"dim": 64, "n_layers": 3, "n_heads": 4, "hidden_dim": 128},
    "electra": {"embedding_size": 64},
    "deberta": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
    "deberta-v2": {
        "pos_att_type": ["c2p", "p2c"], "relative_attention": True, "conv_kernel_size": 3,
    },
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16},
}  # fmt: skip
TEXTS = tiny.texts()
ROWS = tuple(
    Row(text=text, label=tiny.LABELS[number % 3], language="en")
    for number, text in enumerate(TEXTS)
)


def make(model_type: str, folder: Path, out: Path) -> Job:
    tokenizer = tiny.make_tokenizer(folder)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type, **{**SMALL, **OWN.get(model_type, {})}, vocab_size=len(tokenizer), num_labels=3
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    dataset = Dataset(
        labels=tiny.LABELS, train=ROWS[:80], validation=(), test=(), digests={}, unlabeled=()
    )
    recipe: Any = SimpleNamespace(task="classification", seed=7, prefix="")
    return Job(
        checkpoint=folder,
        description=describe(folder),
        teacher=folder,
        teacher_digest="",
        out=out,
        recipe=recipe,
        dataset=dataset,
        max_tokens=64,
        device="cpu",
        common={},
        resolve=Path,
        run_stored=None,  # type: ignore[arg-type]
        on_progress=lambda fraction: None,
    )


@pytest.mark.parametrize("model_type", sorted(set(ENCODERS) - {STATIC}))
def test_what_suits_is_pruned_and_exported_exactly(model_type: str, tmp_path: Path) -> None:
    names = ENCODERS[model_type]
    job = make(model_type, tmp_path / "whole", tmp_path / "out")
    settings = PruneSettings(
        ffn=0.5,
        heads=0.25 if names.ungrouped_heads else None,
        layers=None if model_type == "modernbert" else 2,
    )
    check(settings, job)
    done = run_prune(settings, job)
    stored = 1 if names.shared else 3 if model_type == "modernbert" else 2
    assert sum(done["after"]["ffn"]) == stored * 64
    assert sum(done["after"]["heads"]) == stored * (3 if names.ungrouped_heads else 4)
    assert describe(job.out).layers == (3 if model_type == "modernbert" else 2)
    assert done["tuned"] is not names.shared
    texts = [*TEXTS[::15], " ".join(TEXTS[:12])]
    wanted = predict.logits(job.out, texts, max_tokens=64)
    (tmp_path / "onnx").mkdir()
    path = export(job.out, tmp_path / "onnx")
    encoder = TextTokenizer(job.out / "tokenizer.json", max_tokens=64)
    with OnnxClassifier(path.read_bytes, encoder) as model:
        found = np.stack([logits for logits, _ in model.map(texts)])
    assert np.abs(found - wanted).max() < 1e-3


@pytest.mark.parametrize("model_type", sorted(set(ENCODERS) - {STATIC, "albert"}))
def test_the_fit_helps(model_type: str, tmp_path: Path) -> None:
    """Beside the same units gone and nothing fitted, on the texts that it is fitted to: what a
    random network says of other texts cannot be known."""
    job = make(model_type, tmp_path / "whole", tmp_path / "out")
    whole = models.load_classifier(job.checkpoint)
    run_prune(PruneSettings(ffn=0.5), job)
    fitted = models.load_classifier(job.out)
    encoder = TextTokenizer(job.checkpoint / "tokenizer.json", max_tokens=64)
    texts = pruning._read_texts(PruneSettings(ffn=0.5), job, encoder, whole)
    chosen, _ = pruning._choose(PruneSettings(ffn=0.5), job, whole, texts)
    untuned = models.load_classifier(job.checkpoint)
    pruning._apply(untuned, chosen, repeated=None)
    items = examples(encoder, [row.text for row in job.dataset.train])
    states = [
        predict.answers(model, items, rows=80, states=True).states
        for model in (whole, fitted, untuned)
    ]
    lost = [float(np.square(state - states[0]).mean()) for state in states[1:]]
    assert lost[0] < lost[1] / 2


def check(settings: PruneSettings, job: Job) -> None:
    planned: Any = SimpleNamespace(
        place="r.yaml:9: step 1", description=job.description, dataset=job.dataset
    )
    prune.check(settings, planned)


@pytest.mark.parametrize("model_type", ["deberta", "deberta-v2", "modernbert", "mpnet"])
def test_heads_that_share_are_refused(model_type: str, tmp_path: Path) -> None:
    job = make(model_type, tmp_path / "whole", tmp_path / "out")
    with pytest.raises(RecipeError, match=f"heads of {model_type} cannot be taken out.*use 'ffn'"):
        check(PruneSettings(heads=0.5), job)


def test_layers_that_depend_on_their_place_are_refused(tmp_path: Path) -> None:
    job = make("modernbert", tmp_path / "whole", tmp_path / "out")
    with pytest.raises(RecipeError, match=r"of modernbert sees depends on its place.*use 'ffn'"):
        check(PruneSettings(layers=1), job)


def test_numbers_of_shared_layers_are_refused(tmp_path: Path) -> None:
    job = make("albert", tmp_path / "whole", tmp_path / "out")
    with pytest.raises(RecipeError, match="one and the same; give 'layers' a count"):
        check(PruneSettings(layers=[0, 1]), job)

"""Which layers of a checkpoint a student keeps, in every architecture."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
)

from edgekit.checkpoint import layers, units
from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.checkpoint.models import load_classifier, save
from edgekit.errors import StepError
from edgekit.job.job import Job
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.distill.encoder.run import run as run_distill
from edgekit.steps.distill.settings import DistillSettings
from edgekit.steps.layers import kept_layers
from edgekit.training import predict
from edgekit.training.batches import examples
from tests.steps.distill.students import QUICK, changed, logits
from tests.tiny import encoder as tiny


@pytest.mark.parametrize(
    ("wanted", "of", "kept"),
    [
        (6, 12, [0, 2, 4, 7, 9, 11]), (4, 12, [0, 4, 7, 11]), (3, 12, [0, 6, 11]),
        (2, 12, [0, 11]), (1, 12, [0]), (12, 12, [*range(12)]), (4, 2, [0, 1]), ([1, 3], 4, [1, 3]),
    ],
)  # fmt: skip
def test_the_first_and_last_layer_stay_and_even_ones_between(
    wanted: Any, of: int, kept: list[int]
) -> None:
    assert kept_layers(wanted, of) == kept


SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 80, "pad_token_id": 1, "num_labels": 3,
}  # fmt: skip


OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 32},
    "distilbert": {"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64},
    "electra": {"embedding_size": 32},
    "deberta": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
    "deberta-v2": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
    # The second kept layer looks at everything where it stood, and nearby where it comes to stand.
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 4},
}


@pytest.mark.parametrize("model_type", sorted(ENCODERS))
def test_kept_layers_are_the_checkpoints_and_reload_as_the_same_model(
    model_type: str, tmp_path: Path
) -> None:
    tokenizer = tiny.make_tokenizer(tmp_path)
    torch.manual_seed(0)
    fields = {**SMALL, **OWN.get(model_type, {}), "vocab_size": len(tokenizer)}
    whole = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(model_type, **fields)
    )
    whole.save_pretrained(tmp_path)
    smaller = layers.keep_layers(load_classifier(tmp_path), [0, 2])
    assert smaller.config.num_hidden_layers == 2
    names = ENCODERS[model_type]
    if not names.shared:
        stack = f"{whole.base_model_prefix}.{names.layers}."
        before, after = whole.state_dict(), smaller.state_dict()
        for name, weight in after.items():
            wanted = name.replace(f"{stack}1.", f"{stack}2.") if stack in name else name
            assert torch.equal(weight, before[wanted]), name
    smaller.save_pretrained(tmp_path / "smaller")
    shutil.copy(tmp_path / "tokenizer.json", tmp_path / "smaller")
    encoder = TextTokenizer(tmp_path / "tokenizer.json", max_tokens=64)
    texts = tiny.texts()[::9]
    found = predict.logits(tmp_path / "smaller", texts, max_tokens=64)
    assert np.array_equal(
        found, predict.answers(smaller, examples(encoder, texts), rows=len(texts)).logits
    )


def test_a_count_that_keeps_every_layer_says_so(job: Job) -> None:
    done = run_distill(DistillSettings(**QUICK, layers=5), job)
    assert done["notes"] == ["all 2 layers stay: the checkpoint has no more"]


def test_layers_of_uneven_width_cannot_be_chosen_from(job: Job) -> None:
    model = load_classifier(job.checkpoint)
    units.keep_neurons(units.layers(model)[1], range(64))
    narrow = job.out.parent / "narrow"
    narrow.mkdir()
    save(model, narrow, source=job.checkpoint)
    pruned = changed(job, checkpoint=narrow, description=describe(narrow))
    with pytest.raises(StepError, match="put distill before prune"):
        run_distill(DistillSettings(**QUICK, layers=[1]), pruned)
    healed = changed(pruned)
    run_distill(DistillSettings(**QUICK), healed)
    assert describe(healed.out).parameters == describe(narrow).parameters
    assert np.isfinite(logits(healed.out, job)).all()

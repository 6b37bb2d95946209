from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.errors import StepError
from edgekit.system import devices
from edgekit.tasks.classification.proof.head import label_weights
from edgekit.training import loop as training
from edgekit.training.batches import Example, bucketed, collate
from edgekit.training.loop import Loss, Model, Schedule, Trained, Training
from tests.tiny import encoder as tiny
from tests.tiny.training import SCHEDULE, PowerCut

EXAMPLES = [
    Example(ids=(0, 5 + i % 3, 9, 2) + (7,) * (i % 5), target=(i % 3,), row=i) for i in range(40)
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_encoder(tmp_path_factory.mktemp("checkpoint"), labels=tiny.LABELS)


def cross_entropy(
    model: PreTrainedModel, inputs: Mapping[str, Any], part: Sequence[Example]
) -> torch.Tensor:
    labels = torch.tensor([example.target[0] for example in part])
    return nn.functional.cross_entropy(model(**inputs).logits, labels)


def train(
    model: PreTrainedModel,
    folder: Path,
    *,
    schedule: Schedule = SCHEDULE,
    loss: Loss | None = None,
    score: Callable[[], float] = lambda: 0.3,
    cut_after: int | None = None,
) -> Trained:
    """Trains; with `cut_after`, the power goes after so many updates."""
    updates = 0

    def on_progress(fraction: float) -> None:
        nonlocal updates
        updates += 1
        if updates == cut_after:
            raise PowerCut

    loss = loss or cross_entropy
    run = Training(model, EXAMPLES, schedule=schedule, loss=loss, score=score, folder=folder)
    return run.run(on_progress)


def with_changes(**changes: Any) -> Schedule:
    return dataclasses.replace(SCHEDULE, **changes)


def scores(*values: float) -> Callable[[], float]:
    return iter(values).__next__


def test_a_training_that_was_cut_ends_with_the_same_weights(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", -1.0)

    def run(name: str, cut_after: int | None = None) -> tuple[Trained, PreTrainedModel]:
        model = models.load_classifier(checkpoint)
        head = model.classifier.weight

        def score() -> float:  # of the weights alone, so that it is the same in every run
            return float(head.detach().abs().mean())

        return train(model, tmp_path / name, score=score, cut_after=cut_after), model

    wanted, whole = run("whole")
    for cut in (1, 6, 14):
        with pytest.raises(PowerCut):
            run(f"cut-{cut}", cut_after=cut)
        trained, model = run(f"cut-{cut}")
        assert trained == wanted
        for name, weight in whole.state_dict().items():
            assert torch.equal(weight, model.state_dict()[name]), (cut, name)


def test_the_best_weights_are_kept_not_the_last(checkpoint: Path, tmp_path: Path) -> None:
    model = models.load_classifier(checkpoint)
    seen: list[torch.Tensor] = []
    given = scores(0.3, 0.6, 0.5)

    def score() -> float:
        seen.append(model.classifier.weight.detach().clone())
        return given()

    trained = train(model, tmp_path, score=score)
    assert (trained.best_score, trained.best_epoch) == (0.6, 2)
    assert (trained.iterations, trained.stopped) == (15, "finished")
    assert torch.equal(model.classifier.weight, seen[1])


def test_training_stops_when_it_gets_no_better(checkpoint: Path, tmp_path: Path) -> None:
    schedule = with_changes(epochs=6, patience=2)
    model = models.load_classifier(checkpoint)
    trained = train(model, tmp_path, schedule=schedule, score=scores(0.3, 0.6, 0.5, 0.6))
    assert (trained.stopped, trained.epochs) == ("no better for 2 epochs", 4)


def test_the_time_limit_keeps_the_best_weights(checkpoint: Path, tmp_path: Path) -> None:
    schedule = with_changes(max_seconds=1e-9)
    trained = train(models.load_classifier(checkpoint), tmp_path, schedule=schedule)
    assert trained.stopped.startswith("time limit")
    assert (trained.iterations, trained.best_score) == (1, 0.3)
    # The clock is not asked again.
    assert train(models.load_classifier(checkpoint), tmp_path, schedule=SCHEDULE) == trained


def test_accumulated_batches_give_the_gradient_of_one(checkpoint: Path, tmp_path: Path) -> None:
    gradients = []
    for size, accumulate in ((8, 1), (3, 1), (1, 1)):
        model = models.load_classifier(checkpoint)
        run = Training(
            model,
            EXAMPLES,
            schedule=with_changes(batch_size=size, accumulate=accumulate),
            loss=cross_entropy,
            score=lambda: 0.0,
            folder=tmp_path,
        )
        run._backward(range(8))
        gradients.append(model.classifier.weight.grad.clone())
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
    assert torch.allclose(gradients[0], gradients[2], atol=1e-6)


@pytest.mark.parametrize("hidden", [384, 768])
@pytest.mark.parametrize("longest", [16, 128, 256, 512])
def test_what_a_micro_batch_keeps_grows_neither_with_the_width_nor_with_the_length(
    longest: int, hidden: int
) -> None:
    shape = {"layers": 12, "hidden": hidden, "heads": 12}
    tokens = devices.micro_batch_tokens(longest, **shape)
    assert tokens >= longest
    kept = devices.activation_bytes(tokens, longest, **shape)
    one = devices.activation_bytes(longest, longest, **shape)
    assert kept <= max(devices.MICRO_BATCH_BYTES, one)
    assert devices.micro_batch_tokens(longest, **{**shape, "layers": 1}) <= 4096


def test_long_rows_give_the_gradient_of_one_batch_in_micro_batches_of_few(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for kept in (2**40, 200_000):
        monkeypatch.setattr(devices, "MICRO_BATCH_BYTES", kept)
        model = models.load_classifier(checkpoint).eval()
        sizes: list[int] = []

        def loss(model: Model, inputs: Any, part: Any, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(len(part))
            return cross_entropy(model, inputs, part)

        run = Training(
            model,
            EXAMPLES,
            schedule=with_changes(batch_size=8, accumulate=1),
            loss=loss,
            score=lambda: 0.0,
            folder=tmp_path,
        )
        run._backward(range(8))
        gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found.append((sizes, gradients))
    (whole, wanted), (parts, split) = found
    assert whole == [8]
    assert len(parts) > 2
    assert sum(parts) == 8
    for name, gradient in wanted.items():
        assert torch.allclose(gradient, split[name], atol=1e-5), name


def test_a_loss_that_is_no_number_stops_with_the_batch(checkpoint: Path, tmp_path: Path) -> None:
    def broken(*given: Any) -> torch.Tensor:
        return cross_entropy(*given) * float("nan")

    with pytest.raises(StepError, match=r"the loss became nan in epoch 1, batch 1 of 5"):
        train(models.load_classifier(checkpoint), tmp_path, loss=broken)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=200), st.integers(1, 20))
def test_batches_hold_every_item_once(lengths: list[int], size: int) -> None:
    items = [Example(ids=(1,) * length, row=row) for row, length in enumerate(lengths)]
    batches = bucketed(items, size=size, seed=(1, 2))
    assert sorted(index for batch in batches for index in batch) == list(range(len(items)))
    assert max(map(len, batches)) <= size
    assert batches == bucketed(items, size=size, seed=(1, 2))


def test_padding_is_masked() -> None:
    inputs = collate([Example((5, 6, 7), 0), Example((8,), 1)], pad=3, device="cpu")
    assert inputs["input_ids"].tolist() == [[5, 6, 7], [8, 3, 3]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("how", "weights"), [("none", [1, 1, 1]), ("inverse", [50 / 90, 50 / 10, 0]), ("sqrt", None)]
)
def test_label_weights_have_mean_1_over_the_rows(how: str, weights: list[float] | None) -> None:
    counts = np.array([90, 10, 0])
    found = label_weights(counts, how)
    assert np.isclose((found * counts).sum(), counts.sum())
    if how != "none":
        assert found[1] > found[0]
        assert found[2] == 0
    if weights is not None and how == "inverse":
        assert np.allclose(found, weights)

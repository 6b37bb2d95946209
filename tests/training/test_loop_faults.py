"""What training does where a loss is no number, and where a GPU's memory is too small."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from edgekit.build import build, plan
from edgekit.checkpoint import models
from edgekit.errors import StepError
from edgekit.job.events import Event
from edgekit.recipe import recipe
from edgekit.training import loop as training
from edgekit.training.batches import Example
from edgekit.training.loop import Schedule, Trained, Training
from tests.tiny import encoder as tiny
from tests.tiny import training as tiny_training
from tests.tiny.training import PowerCut

EXAMPLES = [Example(ids=(0, 5 + i % 3, 9, 2), target=(i % 3,), row=100 + i) for i in range(24)]
SCHEDULE = dataclasses.replace(tiny_training.SCHEDULE, epochs=2)


class Entropy:
    """Cross-entropy on a machine that fails in a chosen way."""

    def __init__(
        self, *, holds: int = 100, nan_loss_at: int = -1, nan_gradient_at: int = -1
    ) -> None:
        self.holds, self.nan_loss_at, self.nan_gradient_at = holds, nan_loss_at, nan_gradient_at
        self.calls = 0
        self.sizes: list[int] = []

    def __call__(
        self, model: PreTrainedModel, inputs: Mapping[str, Any], part: Sequence[Example]
    ) -> torch.Tensor:
        if len(part) > self.holds:
            raise torch.cuda.OutOfMemoryError
        self.sizes.append(len(part))
        labels = torch.tensor([example.target[0] for example in part])
        loss = nn.functional.cross_entropy(model(**inputs).logits.float(), labels)
        self.calls += 1
        if self.calls == self.nan_loss_at:
            return loss * float("nan")
        if self.calls == self.nan_gradient_at:
            return loss + (model.classifier.bias.sum() * 0).sqrt()  # 0, whose slope is infinite
        return loss


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout, which draws otherwise for smaller micro-batches."""
    folder = tiny.make_encoder(tmp_path_factory.mktemp("checkpoint"), labels=tiny.LABELS)
    config = folder / "config.json"
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config.write_text(json.dumps({**json.loads(config.read_text()), **without}))
    return folder


def train(
    checkpoint: Path,
    folder: Path,
    *,
    loss: Entropy | None = None,
    schedule: Schedule = SCHEDULE,
    cut_after: int | None = None,
) -> tuple[Trained, dict[str, torch.Tensor]]:
    model = models.load_classifier(checkpoint)
    updates = 0

    def on_progress(fraction: float) -> None:
        nonlocal updates
        updates += 1
        if updates == cut_after:
            raise PowerCut

    trained = Training(
        model,
        EXAMPLES,
        schedule=schedule,
        loss=loss or Entropy(),
        score=lambda: float(model.classifier.weight.detach().abs().mean()),
        folder=folder,
    ).run(on_progress)
    return trained, model.state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (Entropy(nan_loss_at=2), r"the loss became nan in epoch 1, batch 1 of 3 \(rows 1\d\d, "),
        (Entropy(nan_gradient_at=3), r"the gradient became nan in epoch 1, batch 2 of 3 \(rows 1"),
    ],
    ids=["loss", "gradient"],
)
def test_no_number_before_there_are_weights_to_keep_is_an_error(
    checkpoint: Path, tmp_path: Path, loss: Entropy, says: str
) -> None:
    with pytest.raises(StepError, match=says) as error:
        train(checkpoint, tmp_path, loss=loss)
    assert "lower learning_rate" in str(error.value)


@pytest.mark.parametrize("fault", ["nan_loss_at", "nan_gradient_at"])
def test_no_number_later_keeps_the_best_weights_and_names_the_rows(
    checkpoint: Path, tmp_path: Path, fault: str
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    loss = Entropy(**{fault: 9})  # two calls an update, three updates an epoch
    model = models.load_classifier(checkpoint)

    def score() -> float:
        seen.append({name: weight.clone() for name, weight in model.state_dict().items()})
        return 0.5

    trained = Training(
        model, EXAMPLES, schedule=SCHEDULE, loss=loss, score=score, folder=tmp_path
    ).run(lambda fraction: None)
    assert len(seen) == trained.best_epoch == 1
    assert trained.iterations == 4
    assert same(seen[0], model.state_dict())
    assert len(trained.notes) == 1
    assert " became nan in epoch 2, batch 2 of 3 (rows 1" in trained.notes[0]
    assert trained.notes[0].endswith("the best weights before it were kept")
    named = trained.notes[0].split("(rows ")[1].split(" of those")[0].split(", ")
    assert len(named) == 8
    assert {int(name) for name in named} <= {example.row for example in EXAMPLES}


def test_less_memory_halves_the_micro_batch_and_keeps_the_update(
    checkpoint: Path, tmp_path: Path
) -> None:
    wanted, whole = train(checkpoint, tmp_path / "whole")
    loss = Entropy(holds=1)
    trained, weights = train(checkpoint, tmp_path / "small", loss=loss)
    assert wanted.notes == ()
    assert set(loss.sizes) == {1}
    assert trained.notes == (
        "the GPU's memory held 1 rows at once instead of 4; every update still took 8",
    )
    assert (trained.batch_size, trained.iterations) == (1, wanted.iterations)
    for name, weight in whole.items():
        assert torch.allclose(weight, weights[name], atol=1e-4), name


def test_a_micro_batch_holds_few_tokens_and_the_update_stays_the_same(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, whole = train(checkpoint, tmp_path / "whole")
    longest = max(len(example.ids) for example in EXAMPLES)
    monkeypatch.setattr(training, "MICRO_BATCH_TOKENS", 2 * longest)
    loss = Entropy()
    trained, weights = train(checkpoint, tmp_path / "small", loss=loss)
    assert max(loss.sizes) < 4  # the rows of a micro-batch without that bound
    assert (trained.notes, trained.iterations) == ((), wanted.iterations)
    for name, weight in whole.items():
        assert torch.allclose(weight, weights[name], atol=1e-4), name


def test_memory_for_not_one_row_is_an_error(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="does not hold one row"):
        train(checkpoint, tmp_path, loss=Entropy(holds=0))


def test_a_training_in_fp16_that_was_cut_ends_with_the_same_weights(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scale of the gradients is part of what is saved."""
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", -1.0)
    schedule = dataclasses.replace(SCHEDULE, autocast=torch.float16)
    _, whole = train(checkpoint, tmp_path / "whole", schedule=schedule)
    with pytest.raises(PowerCut):
        train(checkpoint, tmp_path / "cut", schedule=schedule, cut_after=2)
    _, weights = train(checkpoint, tmp_path / "cut", schedule=schedule)
    assert same(whole, weights)
    begun = models.load_classifier(checkpoint).state_dict()
    assert not same(begun, weights)


def test_what_went_otherwise_is_told_and_written_into_the_manifest(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Training._backward

    def little_memory(self: Training, rows: Sequence[int]) -> float:
        if self.state.micro_batch > 8:
            raise torch.cuda.OutOfMemoryError
        return backward(self, rows)

    monkeypatch.setattr(Training, "_backward", little_memory)
    bound = recipe.read(project / "recipe.yaml", changes=["steps.0.finetune.epochs=1", "seed=8"])
    events: list[Event] = []
    built = build.compress(plan.make(bound, out=tmp_path), on_event=events.append)
    note = "the GPU's memory held 8 rows at once instead of 32; every update still took 32"
    assert built.artifacts[0].manifest["steps"][0]["notes"] == [note]
    assert [event.note for event in events if event.note] == [note]

"""What training and steps ask of a task whose models are encoders with a head. Only a contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np
import torch
from transformers import PreTrainedModel

from edgekit.data.rows import Row
from edgekit.job.job import Job, OnProgress
from edgekit.runtime.tokens import TextTokenizer
from edgekit.tables import task_part
from edgekit.training.batches import Example
from edgekit.training.loop import Model
from edgekit.training.predict import Answers

HeadLoss = Callable[[torch.Tensor, Sequence[Example]], torch.Tensor]
"""Mean loss of a micro-batch, from what Head.logits gives for it and from its examples."""


class Head(Protocol):
    """What `of` in a task's proof/head.py makes for the recipe's rows."""

    metric: ClassVar[str]
    """The name of `score` in the record of a step."""

    def load(self, folder: Path) -> PreTrainedModel:
        """A checkpoint in fp32 on the CPU; with a fresh head where it has none. CheckpointError."""

    def examples(self, encoder: TextTokenizer, rows: Sequence[Row]) -> list[Example]:
        """Every window of every row, with its target where the row has one."""

    def logits(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The logits in a model's output for a batch, fp32, without padding: (answers, labels)."""

    def answers(
        self,
        model: Model,
        items: Sequence[Example],
        *,
        rows: int,
        states: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Answers:
        """The answers to the rows, each of which owns some items. Puts the model in eval mode."""

    def loss(
        self, rows: Sequence[Row], *, smoothing: float, balance: Literal["none", "sqrt", "inverse"]
    ) -> HeadLoss:
        """The loss of fine-tuning on these rows; `balance` weighs labels against their counts."""

    def lesson_loss(
        self, taught: np.ndarray, *, temperature: float, hard_labels: float
    ) -> HeadLoss:
        """That of distillation from a teacher's Answers.logits; `hard_labels` weighs rows' own."""

    def score(self, logits: np.ndarray, rows: Sequence[Row]) -> float:
        """How right the answers are, from 0 to 1; judges an epoch. `logits` as in Answers."""

    def alike(self, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """How far both answers to each row agree, from 0 to 1; bool or float of shape (rows,)."""

    def divergence(self, found: np.ndarray, wanted: np.ndarray) -> float:
        """KL(wanted ‖ found) in nats, the mean over answers; both as `logits` gives them."""

    def direction(self, logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A random v of the shape of `logits`; E[v vᵀ] is the Fisher information of the answers."""

    def check(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        """Raises StepError where a teacher's answers are worse than chance."""


def head_of(job: Job) -> Head:
    """The head of the recipe's task, for the labels of the job's data."""
    found = task_part(job.recipe.task, "proof.head").of(job.dataset)
    return cast("Head", found)

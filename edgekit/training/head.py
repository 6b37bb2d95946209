"""What training and steps ask of a task whose models are encoders with a head. A contract alone."""

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
"""Mean loss of a micro-batch, from what Head.logits gives of it, and the examples that it is."""


class Head(Protocol):
    """The class `Head` of a task's proof/head.py, which is given the labels of the data."""

    metric: ClassVar[str]
    """What `score` is called in the record of a step."""

    def load(self, folder: Path) -> PreTrainedModel:
        """A checkpoint in fp32 on the CPU; with a fresh head where it has none. CheckpointError."""

    def examples(self, encoder: TextTokenizer, rows: Sequence[Row]) -> list[Example]:
        """Every window of every row, with what is to be learnt of it where the row says that."""

    def logits(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Of a model's output for a batch, in fp32 and without padding: (answers, labels)."""

    def answers(
        self,
        model: Model,
        items: Sequence[Example],
        *,
        rows: int,
        states: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Answers:
        """To the rows, each of which has some of the items. Puts the model in eval."""

    def loss(
        self, rows: Sequence[Row], *, smoothing: float, balance: Literal["none", "sqrt", "inverse"]
    ) -> HeadLoss:
        """Of fine-tuning on these rows; `balance` weighs labels against their counts."""

    def lesson_loss(
        self, taught: np.ndarray, *, temperature: float, hard_labels: float
    ) -> HeadLoss:
        """Of distillation from a teacher's Answers.logits; `hard_labels` weighs the rows' own."""

    def score(self, logits: np.ndarray, rows: Sequence[Row]) -> float:
        """How right answers are, from 0 to 1; an epoch is judged by it. `logits` are of Answers."""

    def alike(self, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """How much of each row both answer alike, from 0 to 1; bool or float of shape (rows,)."""

    def divergence(self, found: np.ndarray, wanted: np.ndarray) -> float:
        """KL(wanted ‖ found) in nats, the mean over answers; of logits as `logits` gives them."""

    def direction(self, logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Random v of the shape of `logits`, whose E[v vᵀ] is the Fisher information of answers."""

    def check(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        """Raises StepError where a teacher's answers are worse than chance."""


def head_of(job: Job) -> Head:
    """The head of the recipe's task, for the labels of the job's data."""
    found = task_part(job.recipe.task, "proof.head").Head(job.dataset.labels)
    return cast("Head", found)

"""What trains and judges a classifier whose texts may have several labels: a sigmoid for each.
Knows no step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.data.rows import Row
from edgekit.errors import StepError
from edgekit.runtime.numerics import sigmoid
from edgekit.runtime.scoring import THRESHOLD, LabelSet, equal
from edgekit.runtime.tokens import TextTokenizer
from edgekit.tasks.classification import answer as classification
from edgekit.tasks.classification import thresholds
from edgekit.tasks.classification.proof.weighing import label_weights
from edgekit.tasks.classification.truth import right_answers
from edgekit.training import losses, predict
from edgekit.training.batches import Example, examples
from edgekit.training.head import HeadLoss

UNLABELED = (-1,)
"""The target of a text that nobody labelled; that of a text without a label is empty."""


@dataclass(frozen=True, slots=True)
class SetHead:
    """A training.head.Head: binary cross-entropy for each label."""

    labels: tuple[str, ...]
    metric: ClassVar[str] = "macro_f1"
    answers = staticmethod(predict.answers)

    def load(self, folder: Path) -> PreTrainedModel:
        return models.load_classifier(folder, labels=self.labels, several=True)

    def examples(self, encoder: TextTokenizer, rows: Sequence[Row]) -> list[Example]:
        numbers = {label: number for number, label in enumerate(self.labels)}
        targets = [
            UNLABELED if row.labels is None else tuple(numbers[label] for label in row.labels)
            for row in rows
        ]
        places = [row.place for row in rows]
        return examples(encoder, [row.input for row in rows], targets, places=places)

    def logits(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        logits: torch.Tensor = output.logits.float()
        return logits

    def loss(self, rows: Sequence[Row], *, smoothing: float, balance: str) -> HeadLoss:
        """As transformers computes it, with rare labels weighed up where they are carried."""
        weights = torch.tensor(
            label_weights(self._truth(rows).sum(axis=0), balance), dtype=torch.float32
        )

        def loss(logits: torch.Tensor, part: Sequence[Example]) -> torch.Tensor:
            wanted, _ = self._targets(part, logits.device)
            return functional.binary_cross_entropy_with_logits(
                logits,
                wanted * (1 - smoothing) + smoothing / 2,
                pos_weight=weights.to(logits.device),
            )

        return loss

    def lesson_loss(
        self, taught: np.ndarray, *, temperature: float, hard_labels: float
    ) -> HeadLoss:
        """The teacher's sigmoids, softened as in Hinton et al. 2015 (arXiv 1503.02531)."""

        def loss(logits: torch.Tensor, part: Sequence[Example]) -> torch.Tensor:
            rows = torch.from_numpy(taught[[example.row for example in part]])
            taught_here = rows.to(logits.device).float()
            total = losses.binary_kl(logits, taught_here, temperature=temperature) / len(part)
            wanted, known = self._targets(part, logits.device)
            hard = functional.binary_cross_entropy_with_logits(
                logits[known], wanted[known], reduction="sum"
            )
            return total + hard_labels * (hard / len(part))

        return loss

    def score(self, logits: np.ndarray, rows: Sequence[Row]) -> float:
        """With the thresholds that are best for these rows, as an artifact will have them."""
        truth = self._truth(rows)
        fitted = thresholds.fit(logits, truth)
        return classification.scores(logits, truth, self.labels, scoring=fitted).macro_f1

    def alike(self, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return equal(self._half.given(found), self._half.given(wanted))

    def divergence(self, found: np.ndarray, wanted: np.ndarray) -> float:
        return float(self._half.divergence(wanted, found).mean())

    def direction(self, logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """For probabilities p, the Fisher information is diag(p (1 − p))."""
        signs = torch.randint(0, 2, logits.shape, generator=generator).to(logits) * 2 - 1
        odds = logits.sigmoid()
        return (odds * (1 - odds)).sqrt() * signs

    def check(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        """Chance means labels given as often as they are, to any texts."""
        truth, found = self._truth(rows), sigmoid(logits) >= THRESHOLD
        given, carried = found.mean(axis=0), truth.mean(axis=0)
        accuracy = float((found == truth).mean())
        chance = float((given * carried + (1 - given) * (1 - carried)).mean())
        # Within two standard deviations, this many rows prove nothing.
        if accuracy < chance - 2 * np.sqrt(chance * (1 - chance) / len(rows)):
            raise StepError(
                f"the teacher decides {accuracy:.1%} of the validation rows' labels rightly, which "
                f"is worse than chance ({chance:.1%}): its labels may be in another order than the "
                "data's; mend id2label in its config.json, or fine-tune it first."
            )

    @property
    def _half(self) -> LabelSet:
        return LabelSet((THRESHOLD,) * len(self.labels))

    def _truth(self, rows: Sequence[Row]) -> np.ndarray:
        return right_answers(rows, self.labels, several=True)

    def _targets(
        self, part: Sequence[Example], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Which labels each example carries, float (examples, labels), and which are labelled."""
        wanted = torch.zeros((len(part), len(self.labels)))
        known = torch.tensor([example.target != UNLABELED for example in part])
        for number, example in enumerate(part):
            if example.target != UNLABELED:
                wanted[number, list(example.target)] = 1.0
        return wanted.to(device), known.to(device)

"""What trains and judges a classifier: its losses, and how close answers are. Knows no step."""

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
from edgekit.recipe.dataset import Dataset
from edgekit.runtime.numerics import kl_divergence
from edgekit.runtime.tokens import TextTokenizer
from edgekit.tasks.classification import answer as classification
from edgekit.tasks.classification.proof.set_head import SetHead
from edgekit.tasks.classification.proof.weighing import label_weights
from edgekit.training import losses, predict
from edgekit.training.batches import Example, examples
from edgekit.training.head import HeadLoss

UNLABELED = -1


def of(dataset: Dataset) -> Head | SetHead:
    """The head for rows with one label, or with sets of them."""
    return (SetHead if dataset.several else Head)(dataset.labels)


@dataclass(frozen=True, slots=True)
class Head:
    """A training.head.Head: softmax over labels, with one label for each text."""

    labels: tuple[str, ...]
    metric: ClassVar[str] = "macro_f1"
    answers = staticmethod(predict.answers)

    def load(self, folder: Path) -> PreTrainedModel:
        return models.load_classifier(folder, labels=self.labels)

    def examples(self, encoder: TextTokenizer, rows: Sequence[Row]) -> list[Example]:
        numbers = {label: number for number, label in enumerate(self.labels)}
        targets = [() if row.label is None else (numbers[row.label],) for row in rows]
        places = [row.place for row in rows]
        return examples(encoder, [row.input for row in rows], targets, places=places)

    def logits(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        logits: torch.Tensor = output.logits.float()
        return logits

    def loss(self, rows: Sequence[Row], *, smoothing: float, balance: str) -> HeadLoss:
        counts = np.bincount(self._truth(rows), minlength=len(self.labels))
        weights = torch.tensor(label_weights(counts, balance), dtype=torch.float32)

        def loss(logits: torch.Tensor, part: Sequence[Example]) -> torch.Tensor:
            # Divided by rows, not by weights: otherwise the split into micro-batches would matter.
            return functional.cross_entropy(
                logits,
                _targets(part, logits.device),
                weight=weights.to(logits.device),
                label_smoothing=smoothing,
                reduction="none",
            ).mean()

        return loss

    def lesson_loss(
        self, taught: np.ndarray, *, temperature: float, hard_labels: float
    ) -> HeadLoss:
        """Distillation with temperature after Hinton et al. 2015 (arXiv 1503.02531)."""

        def loss(logits: torch.Tensor, part: Sequence[Example]) -> torch.Tensor:
            rows = torch.from_numpy(taught[[example.row for example in part]])
            wanted = rows.to(logits.device).float()
            total = losses.kl(logits, wanted, temperature=temperature) / len(part)
            hard = functional.cross_entropy(
                logits, _targets(part, logits.device), ignore_index=UNLABELED, reduction="sum"
            )
            return total + hard_labels * (hard / len(part))

        return loss

    def score(self, logits: np.ndarray, rows: Sequence[Row]) -> float:
        return classification.scores(logits, self._truth(rows), self.labels).macro_f1

    def alike(self, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return np.asarray(found.argmax(axis=1) == wanted.argmax(axis=1))

    def divergence(self, found: np.ndarray, wanted: np.ndarray) -> float:
        return float(kl_divergence(wanted, found).mean())

    def direction(self, logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """For probabilities p, the Fisher information is diag(p) − p pᵀ."""
        signs = torch.randint(0, 2, logits.shape, generator=generator).to(logits) * 2 - 1
        odds = logits.softmax(-1)
        drawn = odds.sqrt() * signs
        return drawn - odds * drawn.sum(-1, keepdim=True)

    def check(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        """Chance means guesses with the frequencies of the answers, as in Cohen's kappa."""
        truth, found = self._truth(rows), logits.argmax(axis=1)
        accuracy = float((found == truth).mean())
        shares = [
            np.bincount(numbers, minlength=len(self.labels)) / len(rows)
            for numbers in (found, truth)
        ]
        chance = float((shares[0] * shares[1]).sum())
        # Within two standard deviations, this many rows prove nothing.
        if accuracy < chance - 2 * np.sqrt(chance * (1 - chance) / len(rows)):
            raise StepError(
                f"the teacher answers {accuracy:.1%} of the validation rows rightly, which is "
                f"worse than chance ({chance:.1%}): its labels may be in another order than the "
                "data's; mend id2label in its config.json, or fine-tune it first."
            )

    def _truth(self, rows: Sequence[Row]) -> np.ndarray:
        return classification.label_indexes([str(row.label) for row in rows], self.labels)


def _targets(part: Sequence[Example], device: torch.device) -> torch.Tensor:
    numbers = [example.target[0] if example.target else UNLABELED for example in part]
    return torch.tensor(numbers, device=device)

"""Losses over many labels in little memory: logits for a few rows at a time. Torch only.

With a vocabulary as the labels, the logits of a batch are larger than the model. So they are
computed for a chunk of rows, used, dropped, and computed again in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

# The most that the logits of one chunk may take, in fp32.
CHUNK_BYTES = 64 * 2**20


def kl(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Sum over the rows of T² KL(teacher ‖ student) of softened logits, both (rows, labels).

    T² keeps the size of the gradients (Hinton et al. 2015, arXiv 1503.02531).
    """
    wanted = functional.log_softmax(teacher.float() / temperature, dim=-1)
    given = functional.log_softmax(student.float() / temperature, dim=-1)
    return functional.kl_div(given, wanted, reduction="sum", log_target=True) * temperature**2


def binary_kl(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """`kl` where each label is there or not by itself: the sum over rows and labels."""
    wanted, given = teacher.float() / temperature, student.float() / temperature
    odds = wanted.sigmoid()
    there = odds * (functional.logsigmoid(wanted) - functional.logsigmoid(given))
    absent = (1 - odds) * (functional.logsigmoid(-wanted) - functional.logsigmoid(-given))
    return (there + absent).sum() * temperature**2


@dataclass(frozen=True, slots=True)
class Scores:
    """From the hidden states of a language model to its logits."""

    head: nn.Linear
    limit: float | None = None
    """Bounds the logits: those of the head pass through a tanh, as in Gemma 2."""
    factor: float = 1.0
    """Multiplies the logits, as in Cohere 2 and Granite."""

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(states).float() * self.factor
        return logits if self.limit is None else self.limit * torch.tanh(logits / self.limit)


def top_kl(
    states: torch.Tensor,
    scores: Scores,
    ids: torch.Tensor,
    logp: torch.Tensor,
    *,
    temperature: float,
    chunk_bytes: int = CHUNK_BYTES,
) -> torch.Tensor:
    """Sum over the rows of T² KL(teacher ‖ student), given the teacher's most likely labels.

    `states` is (rows, width); `ids` and `logp`, both (rows, some), are the labels that the teacher
    finds most likely and the logarithms of their softened probabilities. All others count as one
    label, so the result is never more than the full divergence (the data processing inequality).
    `ids` and `logp` may stay on the CPU.
    """

    def loss(part: torch.Tensor, own: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return _top_kl(scores(part) / temperature, own.long(), wanted.float()) * temperature**2

    return _add_up(loss, states, ids, logp, rows=_rows(scores.head, chunk_bytes))


def nll(
    states: torch.Tensor,
    scores: Scores,
    labels: torch.Tensor,
    *,
    chunk_bytes: int = CHUNK_BYTES,
) -> torch.Tensor:
    """Sum over the rows of the negative log-probability of their labels (rows,)."""

    def loss(part: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(scores(part), own, reduction="sum")

    return _add_up(loss, states, labels, rows=_rows(scores.head, chunk_bytes))


def _top_kl(logits: torch.Tensor, ids: torch.Tensor, logp: torch.Tensor) -> torch.Tensor:
    norm = logits.logsumexp(dim=-1, keepdim=True)
    kept = logits.gather(1, ids) - norm
    others = logits.scatter(1, ids, -torch.inf).logsumexp(dim=-1, keepdim=True) - norm
    rest = (1 - logp.exp().sum(dim=-1, keepdim=True)).clamp(min=0)
    # xlogy: an empty rest adds nothing.
    return (logp.exp() * (logp - kept)).sum() + (torch.xlogy(rest, rest) - rest * others).sum()


def _rows(head: nn.Linear, chunk_bytes: int) -> int:
    return max(1, chunk_bytes // (4 * head.out_features))


def _add_up(
    loss: Callable[..., torch.Tensor], hidden: torch.Tensor, *others: torch.Tensor, rows: int
) -> torch.Tensor:
    """The sum of a loss over chunks of `rows` rows, each made again in the backward pass."""
    total = hidden.new_zeros((), dtype=torch.float32)
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        given = [one[part].to(hidden.device) for one in others]
        total = total + checkpoint(loss, hidden[part], *given, use_reentrant=False)
    return total

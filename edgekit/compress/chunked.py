"""Distillation loss over many labels in little memory: logits of a few rows at a time. Torch only.

With a vocabulary for labels, the logits of a batch are larger than the model. So they are made
for a chunk of rows, used, dropped, and made again in the backward pass.
"""

from __future__ import annotations

import importlib.util

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

# What the logits of one chunk may take, in fp32.
CHUNK_BYTES = 64 * 2**20


def kl(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Sum over the rows of T² KL(teacher ‖ student) of softened logits, both (rows, labels).

    T² keeps the size of the gradients (Hinton et al. 2015, arXiv 1503.02531).
    """
    wanted = functional.log_softmax(teacher.float() / temperature, dim=-1)
    given = functional.log_softmax(student.float() / temperature, dim=-1)
    return functional.kl_div(given, wanted, reduction="sum", log_target=True) * temperature**2


def chunked_kl(
    hidden: torch.Tensor,
    head: nn.Linear,
    teacher: torch.Tensor,
    *,
    temperature: float,
    chunk_bytes: int = CHUNK_BYTES,
) -> torch.Tensor:
    """Mean over the rows of `kl(head(hidden), teacher)` without ever holding all of its logits.

    `hidden` is (rows, width). `teacher`, the logits (rows, labels), may stay on the CPU as half
    floats: a chunk at a time is copied. Liger's fused kernel does the same where it can.
    """
    if _liger_serves(hidden, head):
        return _liger_kl(hidden, head, teacher, temperature=temperature)
    labels = head.out_features
    rows = max(1, chunk_bytes // (4 * labels))
    total = hidden.new_zeros((), dtype=torch.float32)
    for start in range(0, len(hidden), rows):
        total = total + checkpoint(
            _chunk_kl,
            head,
            hidden[start : start + rows],
            teacher[start : start + rows],
            temperature,
            use_reentrant=False,
        )
    return total / len(hidden)


def _chunk_kl(
    head: nn.Linear, hidden: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> torch.Tensor:
    return kl(head(hidden), teacher.to(hidden.device), temperature=temperature)


def _liger_serves(hidden: torch.Tensor, head: nn.Linear) -> bool:
    """Its kernel runs on a GPU only, and knows no bias."""
    if hidden.device.type != "cuda" or head.bias is not None:
        return False
    return importlib.util.find_spec("liger_kernel") is not None


def _liger_kl(
    hidden: torch.Tensor, head: nn.Linear, teacher: torch.Tensor, *, temperature: float
) -> torch.Tensor:
    from liger_kernel.transformers import LigerFusedLinearKLDivLoss  # optional, and needs a GPU

    wanted = functional.softmax(teacher.to(hidden.device).float() / temperature, dim=-1)
    fused = LigerFusedLinearKLDivLoss(reduction="batchmean", temperature=temperature)
    return fused(hidden, head.weight, wanted) * temperature**2

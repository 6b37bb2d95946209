"""Losses over many labels are those of their definitions, and hold a chunk of logits at a time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgekit.training import losses
from edgekit.training.losses import Scores

ROWS, WIDTH, LABELS = 13, 8, 50


@given(st.integers(1, 20), st.sampled_from([0.5, 1.0, 4.0]))
def test_the_divergence_is_its_definition(rows: int, temperature: float) -> None:
    torch.manual_seed(rows)
    student, teacher = 3 * torch.randn(rows, LABELS), 3 * torch.randn(rows, LABELS)
    p, q = (torch.softmax(one.double() / temperature, -1) for one in (teacher, student))
    wanted = temperature**2 * (p * (p.log() - q.log())).sum()
    found = losses.kl(student, teacher, temperature=temperature)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert losses.kl(student, student, temperature=temperature).item() == pytest.approx(0, abs=1e-4)


def known(teacher: torch.Tensor, kept: int, temperature: float) -> tuple[torch.Tensor, ...]:
    found = (teacher / temperature).log_softmax(-1).topk(kept)
    return found.indices, found.values


@given(st.integers(1, 20), st.sampled_from([0.5, 1.0, 4.0]), st.sampled_from([None, 2.0]))
def test_the_likeliest_pieces_give_the_loss_and_gradients_of_all(
    rows: int, temperature: float, limit: float | None
) -> None:
    """With all but one known, one is the rest; word for word by the definition."""
    torch.manual_seed(0)
    scores = Scores(nn.Linear(WIDTH, LABELS), limit)
    hidden = torch.randn(ROWS, WIDTH, requires_grad=True)
    teacher = 3 * torch.randn(ROWS, LABELS)
    logits = scores.head(hidden).double()
    logits = logits if limit is None else limit * torch.tanh(logits / limit)
    p = torch.softmax(teacher.double() / temperature, -1)
    q = torch.softmax(logits / temperature, -1)
    whole = temperature**2 * (p * (p.log() - q.log())).sum()
    inputs = [hidden, *scores.head.parameters()]
    wanted = torch.autograd.grad(whole, inputs)
    ids, logp = known(teacher, LABELS - 1, temperature)
    loss = losses.top_kl(
        hidden, scores, ids, logp, temperature=temperature, chunk_bytes=rows * 4 * LABELS
    )
    assert loss.item() == pytest.approx(whole.item(), rel=1e-4)
    for found, gradient in zip(torch.autograd.grad(loss, inputs), wanted, strict=True):
        assert torch.allclose(found, gradient, atol=1e-3)


@given(st.integers(1, LABELS - 1))
def test_fewer_pieces_never_give_more_divergence(kept: int) -> None:
    torch.manual_seed(kept)
    scores, hidden = Scores(nn.Linear(WIDTH, LABELS)), torch.randn(ROWS, WIDTH)
    teacher = 3 * torch.randn(ROWS, LABELS)
    some, most = (
        losses.top_kl(hidden, scores, *known(teacher, count, 1.0), temperature=1.0)
        for count in (kept, LABELS - 1)
    )
    assert -1e-4 < some.item() <= most.item() + 1e-4
    same = losses.top_kl(
        hidden, scores, *known(scores(hidden).detach(), kept, 1.0), temperature=1.0
    )
    assert same.item() == pytest.approx(0, abs=1e-4)


def test_no_more_logits_than_a_chunk_are_ever_held() -> None:
    head = nn.Linear(WIDTH, LABELS)
    hidden = torch.randn(ROWS, WIDTH, requires_grad=True)
    made: list[int] = []
    kept: list[torch.Tensor] = []
    head.register_forward_hook(lambda *call: made.append(len(call[2])))

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    ids, logp = known(torch.randn(ROWS, LABELS), 5, 1.0)
    labels = torch.arange(ROWS)
    chunk = 4 * 4 * LABELS
    for loss in (
        lambda: losses.top_kl(hidden, Scores(head), ids, logp, temperature=1, chunk_bytes=chunk),
        lambda: losses.nll(hidden, Scores(head), labels, chunk_bytes=chunk),
    ):
        made.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            total = loss()
        assert made == [4, 4, 4, 1]
        assert not [tensor for tensor in kept if tensor.shape[-1:] == (LABELS,)]
        total.backward()
        assert sorted(made) == sorted([4, 4, 4, 1] * 2)


def test_the_loss_of_labels_is_cross_entropy() -> None:
    scores, hidden = Scores(nn.Linear(WIDTH, LABELS)), torch.randn(ROWS, WIDTH)
    labels = torch.arange(ROWS)
    wanted = nn.functional.cross_entropy(scores(hidden), labels, reduction="sum")
    assert losses.nll(hidden, scores, labels, chunk_bytes=1).item() == pytest.approx(wanted.item())

from __future__ import annotations

import importlib.util

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgekit.compress import chunked

ROWS, WIDTH, LABELS = 13, 8, 50


def plain(
    hidden: torch.Tensor, head: nn.Linear, teacher: torch.Tensor, temperature: float
) -> torch.Tensor:
    """The definition, word for word."""
    p = torch.softmax(teacher.double() / temperature, -1)
    q = torch.softmax(head(hidden).double() / temperature, -1)
    return temperature**2 * (p * (p.log() - q.log())).sum(-1).mean()


@given(st.integers(1, 20), st.sampled_from([0.5, 1.0, 4.0]), st.booleans())
def test_chunks_give_the_loss_and_the_gradients_of_the_whole(
    rows: int, temperature: float, bias: bool
) -> None:
    torch.manual_seed(0)
    head = nn.Linear(WIDTH, LABELS, bias=bias)
    hidden = torch.randn(ROWS, WIDTH, requires_grad=True)
    teacher = 3 * torch.randn(ROWS, LABELS)
    whole = plain(hidden, head, teacher, temperature)
    inputs = [hidden, *head.parameters()]
    wanted = torch.autograd.grad(whole, inputs)
    loss = chunked.chunked_kl(
        hidden, head, teacher, temperature=temperature, chunk_bytes=rows * 4 * LABELS
    )
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    for found, gradient in zip(torch.autograd.grad(loss, inputs), wanted, strict=True):
        assert torch.allclose(found, gradient, atol=1e-5)


def test_no_more_logits_than_a_chunk_are_ever_held() -> None:
    """Neither made at once, nor kept for the backward pass."""
    head = nn.Linear(WIDTH, LABELS)
    hidden = torch.randn(ROWS, WIDTH, requires_grad=True)
    made: list[int] = []
    kept: list[torch.Tensor] = []
    head.register_forward_hook(lambda *call: made.append(len(call[2])))

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = chunked.chunked_kl(
            hidden,
            head,
            torch.randn(ROWS, LABELS).half(),
            temperature=2.0,
            chunk_bytes=4 * 4 * LABELS,
        )
    assert made == [4, 4, 4, 1]
    # The teacher's half floats are slices of what was given.
    logits = [tensor for tensor in kept if tensor.shape[-1] == LABELS]
    assert {tensor.dtype for tensor in logits} == {torch.float16}
    loss.backward()
    assert sorted(made) == sorted([4, 4, 4, 1] * 2)


def test_ligers_kernel_serves_a_gpu_without_a_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu:
        device = torch.device("cuda")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with_bias, without = nn.Linear(2, 3), nn.Linear(2, 3, bias=False)
    assert chunked._liger_serves(OnGpu(), without)  # type: ignore[arg-type]
    assert not chunked._liger_serves(OnGpu(), with_bias)  # type: ignore[arg-type]
    assert not chunked._liger_serves(torch.zeros(1), without)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not chunked._liger_serves(OnGpu(), without)  # type: ignore[arg-type]

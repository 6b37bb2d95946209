"""The interface between the processes that share a training. Knows neither torch nor transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One update that needs the gradients of all processes."""

    iteration: int
    scaler: Mapping[str, Any]
    """State of the leader's gradient scaler."""


class Crew(Protocol):
    """The processes of one run, seen from one of them; `parameters` are tensors by name."""

    index: int

    @property
    def leads(self) -> bool: ...

    def share(self, rows: Sequence[int]) -> Sequence[int]:
        """This process's part of a batch."""

    def lead_update(
        self,
        parameters: Mapping[str, Any],
        backward: Callable[[], float],
        *,
        iteration: int,
        scaler: Mapping[str, Any],
    ) -> float:
        """Leaves the sum of all gradients in `parameters`; returns the sum of losses."""

    def end_training(self) -> None: ...

    def follow_training(
        self, parameters: Mapping[str, Any], backward: Callable[[Turn], float]
    ) -> NoReturn:
        """Sends gradients to the leader until it ends the training."""

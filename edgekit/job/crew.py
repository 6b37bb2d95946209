"""What a training asks of the processes that share it. Knows neither torch nor how they talk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One update that needs everybody's gradients."""

    iteration: int
    scaler: Mapping[str, Any]
    """State of the leader's gradient scaler."""


class Crew(Protocol):
    """The processes of one run, seen from one of them; `parameters` are tensors by their names."""

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
        """Leaves the sum of everybody's gradients in `parameters`; returns the sum of losses."""

    def end_training(self) -> None: ...

    def follow_training(
        self, parameters: Mapping[str, Any], backward: Callable[[Turn], float]
    ) -> NoReturn:
        """Gives the leader gradients until it ends the training."""

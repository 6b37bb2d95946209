"""What work costs: the shape of an estimate, and how fast this machine is. Knows no step."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate: wall-clock seconds, peak memory, and what stays on the disk."""

    seconds: float
    peak_bytes: int
    disk_bytes: int
    note: str = ""
    """What could make it more, where only the run will tell."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast this machine works on a model of one shape, measured on one layer of it."""

    train_seconds_per_token: float
    """Forward and backward through all layers, with weight updates."""
    forward_seconds_per_token: float
    """Forward through all layers, many texts at once; onnxruntime is no slower on single ones."""
    write_seconds_per_byte: float
    """Writing, syncing and hashing."""
    load_seconds: float
    """Starting a process with torch and transformers."""
    torch_bytes: int
    """Memory of such a process before it holds a model."""
    guessed: str | None = None
    """Why the times for a token are estimated by the number of parameters; None if measured."""

    def scaled(self, share: float) -> Rates:
        """The rates of a model that does this share of the work for each token."""
        return replace(
            self,
            train_seconds_per_token=self.train_seconds_per_token * share,
            forward_seconds_per_token=self.forward_seconds_per_token * share,
        )

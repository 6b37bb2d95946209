"""What work costs: the shape of an estimate, and how fast this machine is. Knows no step."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate: wall seconds, the most memory at one time, and what stays on the disk."""

    seconds: float
    peak_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast this machine works on a model of one shape, measured on one layer of it."""

    train_seconds_per_token: float
    """Forward and backward through all layers, weights updated."""
    forward_seconds_per_token: float
    """Forward through all layers, many texts at once; onnxruntime is no slower on single ones."""
    write_seconds_per_byte: float
    """Write, sync and hash."""
    load_seconds: float
    """Start a process with torch and transformers."""
    torch_bytes: int
    """Memory of such a process before it holds a model."""

    def scaled(self, share: float) -> Rates:
        """Those of a model that does this share of the work for a token."""
        return replace(
            self,
            train_seconds_per_token=self.train_seconds_per_token * share,
            forward_seconds_per_token=self.forward_seconds_per_token * share,
        )

"""A text's vector as it is answered: a direction, and how much was read for it. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True, slots=True)
class Vector:
    values: np.ndarray
    """Float32 of shape (width,), of length 1: the cosine of two is their dot product."""
    parts: int
    """Windows that the text was read in; their mean was taken."""
    tokens: int

    @classmethod
    def of(cls, values: np.ndarray, parts: int, tokens: int) -> Self:
        """`values` of any length but 0."""
        exact = values.astype(np.float64)
        return cls(
            (exact / max(1e-12, float(np.linalg.norm(exact)))).astype(np.float32), parts, tokens
        )

    def as_json(self) -> dict[str, Any]:
        return {"values": self.values.tolist(), "parts": self.parts, "tokens": self.tokens}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(np.array(value["values"], np.float32), value["parts"], value["tokens"])

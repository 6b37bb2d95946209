"""The settings of a low-rank adapter. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgekit.recipe.settings import Settings


class Lora(Settings):
    """A low-rank adapter is trained instead of the weights, and merged afterwards."""

    rank: Annotated[int, Field(ge=1, le=256)]
    """Rank of the two matrices."""
    alpha: Annotated[int, Field(gt=0)] | None = None
    """Scale of the adapter; twice the rank unless given."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on the adapter's input."""

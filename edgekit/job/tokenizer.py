"""Whose tokenizer the model of a recipe will have, before anything is merged."""

from __future__ import annotations

from pathlib import Path

from edgekit.recipe.recipe import BoundRecipe
from edgekit.runtime.tokens import TOKENIZER


def tokenizer_of(bound: BoundRecipe) -> Path:
    """The file of the adapter, if it has one of its own; else that of the base."""
    named = (bound.recipe.model.adapter, bound.recipe.model.base)
    found = [bound.resolve(name) / TOKENIZER for name in named if name is not None]
    return next((path for path in found if path.is_file()), found[-1])

"""Whether a recipe's head and rows suit its task, before anything else is asked of them."""

from __future__ import annotations

from edgekit.checkpoint.describe import STATIC, Description
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.errors import DataError, RecipeError
from edgekit.recipe.dataset import Dataset
from edgekit.recipe.recipe import BoundRecipe
from edgekit.tables import Family

COULD = {Family.DECODER: "could continue them", Family.SEQ2SEQ: "could write others"}


def check_head(bound: BoundRecipe, description: Description) -> None:
    """A classifier on a model that writes is for no task: raises RecipeError with what is."""
    if description.labels is None or description.family is Family.ENCODER:
        return
    raise RecipeError(
        f"{bound.place('model')}: {bound.recipe.model.base} labels texts, although its "
        f"architecture, {description.model_type}, {COULD[description.family]} "
        f"({description.architecture}), and edgekit reads such a head on encoders alone; train one "
        f"of the types {', '.join(sorted(ENCODERS))} on the same rows (the step finetune), or give "
        "the checkpoint with its language model's head."
    )


def check_rows(bound: BoundRecipe, dataset: Dataset) -> None:
    """Every export is proven on real rows, and every artifact takes its self-test from them."""
    if dataset.train or dataset.validation or dataset.test or dataset.unlabeled:
        return
    raise DataError(
        f"{bound.place('data')}: data names no rows, and every export is proven on some; add "
        "data.validation, or data.test with rows to judge by."
    )


def check_pairs(bound: BoundRecipe, dataset: Dataset, description: Description) -> None:
    """What rows of two texts rule out: raises RecipeError."""
    if not dataset.pairs:
        return
    if bound.recipe.prefix:
        raise RecipeError(
            f"{bound.place('prefix')}: 'prefix' is put before a text, and the rows are pairs of "
            "two; remove it, and write what the model needs into the rows."
        )
    static = [entry for entry in bound.steps if getattr(entry.settings, "static", False)]
    if static or description.model_type == STATIC:
        place = static[0].place if static else bound.place("model")
        raise RecipeError(
            f"{place}: the rows are pairs of texts, and a static student sees which words there "
            "are but not in which of the two; give 'layers' or a student with layers."
        )

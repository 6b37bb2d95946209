"""Which shipped recipe suits a model and the columns of its rows. Reads no row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.checkpoint import frames
from edgekit.checkpoint.describe import Description
from edgekit.data import label_sets
from edgekit.errors import DataError, RecipeError
from edgekit.recipe import recipe
from edgekit.recipe.recipe import BoundRecipe
from edgekit.tables import Family
from edgekit.wording.suggestions import did_you_mean

LABELLED = ("label", label_sets.COLUMN)
"""Columns with one label of a text, or several."""
SUMMARIZED = ("summary",)
TRANSLATED = ("target",)
CONVERSATIONAL = frozenset({"conversations", "instruction"})
"""Columns of ShareGPT and Alpaca, which are read as messages."""


@dataclass(frozen=True, slots=True)
class Suited:
    """A shipped recipe, for models of a family whose rows have one of these columns."""

    recipe: str
    columns: tuple[str, ...]
    """None where any text will do."""
    why: str
    texts: tuple[str, ...] = ("text", "messages")
    """Columns of what is read, of which there is one."""


SUITED = {
    Family.ENCODER: (
        Suited("classify-lossless", LABELLED, "it changes the answers of a classifier least"),
        Suited("summarize-extractive", SUMMARIZED, "an encoder can choose sentences of a text"),
    ),
    Family.DECODER: (Suited("chat-small", (), "the model continues texts"),),
    Family.SEQ2SEQ: (
        Suited("summarize-int8", SUMMARIZED, "it changes what a summarizer writes least"),
        Suited(
            "translate-int8", TRANSLATED, "it changes what a translator writes least", ("source",)
        ),
    ),
}
"""By family; the first that has a column of the rows is the best."""


def best(description: Description, columns: Sequence[str]) -> Suited:
    known = _known(description)
    fitting = (one for one in known if not one.columns or set(one.columns) & set(columns))
    return next(fitting, known[0])


def choose(
    description: Description, columns: Sequence[str], *, name: str | None, table: Path
) -> tuple[Suited, BoundRecipe]:
    """What suits the model: the recipe of this name, or the best.

    Raises RecipeError for a recipe whose task is not for this family, and DataError where `table`,
    with these columns, lacks what its task reads.
    """
    chosen = best(description, columns)
    base = _read(name or chosen.recipe)
    known = _known(description)
    if name is not None:
        same = [one for one in known if _read(one.recipe).recipe.task == base.recipe.task]
        if not same:
            raise RecipeError(
                f"The recipe {name} is for {base.recipe.task}, which a {description.model_type} "
                f"model ({description.family}) does not do; {chosen.recipe} suits it."
            )
        known = (chosen := same[0],)
    if not CONVERSATIONAL & set(columns):
        _check_columns(table, columns, *chosen.texts)
    if chosen.columns:
        _check_columns(table, columns, *(name for one in known for name in one.columns))
    return chosen, base


def _known(description: Description) -> tuple[Suited, ...]:
    known = SUITED[description.family]
    if description.model_type in frames.TRANSLATORS:
        # They do nothing else, whatever columns the rows have.
        return tuple(one for one in known if one.columns == TRANSLATED)
    return known


def _read(name: str) -> BoundRecipe:
    return recipe.read(recipe.shipped()[name])


def _check_columns(table: Path, columns: Sequence[str], *wanted: str) -> None:
    if not set(wanted) & set(columns):
        raise DataError(
            f"{table}: there is no column {' or '.join(map(repr, wanted))}."
            f"{did_you_mean(wanted[0], columns)}"
        )

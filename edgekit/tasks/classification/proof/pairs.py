"""Whether a model can read the pairs of a recipe's rows, before anything runs. Loads no weights."""

from __future__ import annotations

from tokenizers import Tokenizer

from edgekit.data.places import placed
from edgekit.errors import RecipeError
from edgekit.recipe.dataset import Dataset
from edgekit.recipe.recipe import BoundRecipe
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer, load_tokenizer


def check(bound: BoundRecipe, dataset: Dataset, encoder: TextTokenizer, *, max_tokens: int) -> None:
    """Raises RecipeError for a tokenizer without a rule for pairs, and ContextOverflow, with its
    place, for a row whose first text leaves too little of the window to the second."""
    _check_rule(bound.place("model"), encoder.tokenizer)
    for entry in bound.steps:
        for name in entry.settings.files:
            path = bound.resolve(name) / TOKENIZER
            if path.is_file():
                _check_rule(entry.place, load_tokenizer(path))
    for row in (*dataset.train, *dataset.validation, *dataset.test):
        first, both = (
            len(text.encode("utf-8", "surrogatepass"))
            for text in (row.text, f"{row.text}{row.text_pair}")
        )
        # A token is a byte or more: shorter ones need not be tokenized.
        if first > max_tokens // 4 and both > max_tokens // 2:
            with placed(row.place):
                encoder.windows(row.input)


def _check_rule(place: str, tokenizer: Tokenizer) -> None:
    if not any(tokenizer.encode("a", "a").special_tokens_mask):
        raise RecipeError(
            f"{place}: the rows are pairs of texts (column 'text_pair'), and this checkpoint's "
            "tokenizer sets nothing around the two, so that they run together; give its "
            "tokenizer.json a post-processor for pairs, or take another checkpoint."
        )

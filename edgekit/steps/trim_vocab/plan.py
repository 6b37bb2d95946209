"""`trim_vocab`: keeps the pieces of the vocabulary that the recipe's languages need. Light."""

from __future__ import annotations

from dataclasses import replace

from edgekit.checkpoint.decoders import DECODERS
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.checkpoint.seq2seq import SEQ2SEQ
from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings
from edgekit.tables import Family

VERSION = 3

# An estimate of what a coverage keeps: pieces of one language, and letters and signs of all.
PIECES_PER_LANGUAGE = 7_000
PIECES_PER_LANGUAGE_OF_DECODERS = 35_000
PIECES_OF_ALL = 3_000
# Reading the tokenizer and counting words, for each language and in all.
SECONDS = 15.0
SECONDS_PER_LANGUAGE = 2.0
BYTES_PER_PIECE = 3_000


SETTINGS = TrimVocabSettings


def check(settings: TrimVocabSettings, planned: Planned) -> None:
    """Raises RecipeError where there is no table to trim or no language to trim it for."""
    description = planned.description
    known = {*ENCODERS, *DECODERS, *SEQ2SEQ}
    if description.family is Family.DECODER and description.model_type not in DECODERS:
        raise RecipeError(
            f"{planned.place}: trim_vocab does not know where the pieces of a "
            f"{description.model_type} model are; it knows {', '.join(sorted(DECODERS))}. Drop the "
            "step."
        )
    if description.model_type not in known:
        raise RecipeError(
            f"{planned.place}: trim_vocab cannot cut the table of a {description.model_type} "
            "model; put it before the step that makes one."
        )
    if not planned.recipe.languages:
        raise RecipeError(
            f"{planned.place}: trim_vocab keeps what the recipe's languages need, and it names "
            "none; add languages."
        )


def after(settings: TrimVocabSettings, planned: Planned) -> Planned:
    """The same model with a shorter table: of `size` rows, or as many as languages usually need."""
    description = planned.description
    kept = _pieces(settings, planned)
    tables = description.embedding_parameters
    # Decoders encode positions by rotation, and have no table of them.
    positions = 0 if description.family is Family.DECODER else description.max_tokens
    lost = tables // (description.vocabulary + positions) * (description.vocabulary - kept)
    of_head = description.head_parameters * (description.vocabulary - kept)
    of_head //= description.vocabulary
    return replace(
        planned,
        description=replace(
            description,
            vocabulary=kept,
            parameters=description.parameters - lost - of_head,
            embedding_parameters=tables - lost,
            head_parameters=description.head_parameters - of_head,
            weights_bytes=description.weights_bytes - 4 * (lost + of_head),
        ),
    )


def cost(settings: TrimVocabSettings, planned: Planned) -> Cost:
    """Mostly counting words; the table is never in memory, the proof's models one at a time."""
    languages = len(planned.recipe.languages)
    left = after(settings, planned).description
    return Cost(
        seconds=SECONDS + SECONDS_PER_LANGUAGE * languages + planned.rates.load_seconds,
        peak_bytes=planned.rates.torch_bytes
        + planned.description.fp32_bytes
        - 4 * planned.description.embedding_parameters
        + 4 * left.embedding_parameters
        + BYTES_PER_PIECE * planned.description.vocabulary,
        disk_bytes=left.fp32_bytes,
    )


def _pieces(settings: TrimVocabSettings, planned: Planned) -> int:
    decoder = planned.description.family is Family.DECODER
    of_each = PIECES_PER_LANGUAGE_OF_DECODERS if decoder else PIECES_PER_LANGUAGE
    guess = PIECES_OF_ALL + of_each * len(planned.recipe.languages)
    return min(planned.description.vocabulary, settings.size or guess)

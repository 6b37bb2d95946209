"""Refuses token ids for which a checkpoint's embeddings have no row or no position. No weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.checkpoint.decoders import DECODERS
from edgekit.checkpoint.describe import TOKENIZER_CONFIG, Description
from edgekit.errors import CheckpointError
from edgekit.runtime.tokens import TOKENIZER

CONFIG = "config.json"
_COUNTED_BUT_PADDING = frozenset({"m2m_100"})
"""Here positions are computed from the ids, by which padding is passed over, and the exported graph
reads vectors. RoBERTa and its like, which count so too, are exported with ids."""


def refuse_beyond(folder: Path, description: Description) -> None:
    """Raises CheckpointError for a token whose id is beyond the table: every text with it fails."""
    rows = description.vocabulary
    decoder = DECODERS.get(description.model_type)
    spared = decoder.surplus if decoder else frozenset()
    beyond = {
        number: piece for number, piece in _pieces(folder) if number >= rows and piece not in spared
    }
    if not beyond:
        return
    first = min(beyond)
    more = f" (and {len(beyond) - 1} more)" if len(beyond) > 1 else ""
    raise CheckpointError(
        f"{folder}: the token {beyond[first]!r}{more} has the id {first}, and the embeddings have "
        f"{rows} rows, so that every text with it would fail; resize them "
        "(model.resize_token_embeddings(len(tokenizer))) and train what is new, or restore the "
        "tokenizer that the model was trained with."
    )


def refuse_uncounted(folder: Path, description: Description) -> None:
    """Raises CheckpointError where the model counts no position for a token that texts have."""
    if description.model_type not in _COUNTED_BUT_PADDING:
        return
    number: int = _read(folder / CONFIG).get("pad_token_id", -1)
    piece = dict(_pieces(folder)).get(number)
    told = _read(folder / TOKENIZER_CONFIG).get("pad_token")
    padding = told["content"] if isinstance(told, Mapping) else told
    if None not in (piece, padding) and piece != padding:
        raise CheckpointError(
            f"{folder / CONFIG}: 'pad_token_id' is {number}, which is {piece!r} in the tokenizer, "
            f"and a {description.model_type} counts no position for it; set it to the id of "
            f"{padding!r}, or restore the config.json that the model was trained with."
        )


def _pieces(folder: Path) -> Iterator[tuple[int, str]]:
    """Ids and texts of all tokens, wherever transformers takes them from."""
    document = _read(folder / TOKENIZER)
    found = (document.get("model") or {}).get("vocab") or {}
    if isinstance(found, Mapping):
        yield from ((number, piece) for piece, number in found.items())
    else:  # Unigram: pairs of piece and score
        yield from ((number, pair[0]) for number, pair in enumerate(found))
    for entry in document.get("added_tokens") or ():
        yield entry["id"], entry["content"]
    added = _read(folder / TOKENIZER_CONFIG).get("added_tokens_decoder") or {}
    for number, entry in added.items():
        yield int(number), entry["content"] if isinstance(entry, Mapping) else str(entry)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path}: this is not a JSON object ({error}); copy the file again."
        ) from error

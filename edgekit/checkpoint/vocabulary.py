"""What an adapter does to the tables with a row for every token, tied or not. Reads few weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.checkpoint import adapter
from edgekit.checkpoint.adapter import Adapter
from edgekit.checkpoint.decoders import DECODERS
from edgekit.checkpoint.merged import Merged
from edgekit.errors import CheckpointError

HEAD = "lm_head.weight"
_TABLES = ("embed_tokens", "word_embeddings", "tok_embeddings", "wte", "lm_head", "shared")


def is_table(name: str) -> bool:
    """Whether a weight has a row for every token."""
    return name.endswith(tuple(f"{table}.weight" for table in _TABLES))


def refuse_tables(found: Adapter) -> None:
    """For encoder-decoders, which tie their tables in many ways."""
    names = [*found.replaced, *(f"{name}.weight" for name in (*found.updates, *found.tokens))]
    touched = next((name for name in names if is_table(name)), None)
    if touched is not None:
        raise CheckpointError(
            f"{found.folder}: the adapter trains '{touched}', and edgekit merges no tables of "
            "tokens of an encoder-decoder; merge the adapter with peft (merge_and_unload) and give "
            "the whole checkpoint as model."
        )


def settle_output(
    found: Adapter, merged: dict[str, Merged], config: Mapping[str, Any], *, tied: bool
) -> dict[str, Any]:
    """Separates the output matrix from the embeddings if the adapter trained one of them alone.

    peft's own merging leaves config.json at 'tied', and what was trained of the output is lost as
    soon as the model is loaded again.
    """
    table = next((name for name in merged if is_table(name) and name != HEAD), None)
    if not tied or table is None:
        return dict(config)
    head = _output(found, merged[table])
    if head is None:
        return dict(config)
    known = DECODERS.get(config["model_type"])
    if known is not None and not known.may_be_untied:
        raise CheckpointError(
            f"{found.folder}: the adapter trains the output matrix or the embeddings alone, and a "
            f"{config['model_type']} has one matrix for both; train it without 'lm_head' and "
            "'embed_tokens'."
        )
    merged[HEAD] = head
    return {**config, "tie_word_embeddings": False}


def _output(found: Adapter, table: Merged) -> Merged | None:
    """The output matrix of a tied base where it is another than the embeddings; else None."""
    update, whole = found.updates.get("lm_head"), found.replaced.get(HEAD)
    kept_tied = bool(found.settings.get("ensure_weight_tying"))
    if kept_tied and (update or table.update):
        raise CheckpointError(
            f"{found.folder / adapter.CONFIG}: 'ensure_weight_tying' with LoRA on the embeddings "
            "is not merged here; merge the adapter with peft (merge_and_unload) and give the whole "
            "checkpoint as model."
        )
    if whole is not None or update is not None:
        head = Merged(HEAD, table.base, replaced=whole, update=update)
        if whole is not None and update is None and _are_equal(head, table):
            return None
        if update is not None and update.shape != head.shape:
            raise CheckpointError(
                f"{found.folder}: the adapter's 'lm_head' is for weights of the shape "
                f"{update.shape}, and the base's are {head.shape}; it was trained on another model "
                f"(by its own account {found.said_base}), give that as base."
            )
        return head
    saved = any(one in table.name.split(".") for one in found.saved_modules)
    alone = table.update is not None or (saved and table.replaced is not None)
    return Merged(HEAD, table.base) if alone and not kept_tied else None


def _are_equal(head: Merged, table: Merged) -> bool:
    if head.shape != table.shape:
        return False
    pairs = zip(head.source.rows(), table.source.rows(), strict=True)
    return not (table.update or table.tokens) and all(np.array_equal(*pair) for pair in pairs)


def settle_rows(
    found: Adapter, merged: Mapping[str, Merged], config: Mapping[str, Any]
) -> dict[str, Any]:
    """config.json with the rows of tables that grew; all of them must have grown alike."""
    changed = [name for name, one in merged.items() if is_table(name) and one.is_touched]
    if not changed:
        return dict(config)
    rows = {name: one.shape[0] for name, one in merged.items() if is_table(name)}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} {count:,}" for name, count in rows.items())
        raise CheckpointError(
            f"{found.folder}: with the adapter, the tables of tokens have different numbers of "
            f"rows ({told}); save it again with save_embedding_layers=True."
        )
    return {**config, "vocab_size": rows[changed[0]]}

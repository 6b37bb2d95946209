"""Cuts pieces out of a tokenizer.json and gives the rest new ids. Decides nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from edgekit.errors import StepError
from edgekit.steps.trim_vocab.vocabulary import documents
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary


def order(vocabulary: Vocabulary, kept: Iterable[int], *, pad: int | None) -> list[int]:
    """The old ids in their new order: the model's own pieces, then added tokens, each as before.

    `pad` keeps its number, because RoBERTa counts positions by it.
    """
    own = set(_own_ids(vocabulary))
    kept = set(kept)
    first = sorted(number for number in kept if number in own)
    if pad in first and pad < len(first):
        first.remove(pad)
        first.insert(pad, pad)
    return first + sorted(number for number in kept if number not in own)


def trimmed(vocabulary: Vocabulary, old_ids: list[int]) -> dict[str, Any]:
    """A tokenizer.json of the pieces `old_ids`, numbered in that order.

    Raises StepError if the result does not map every piece to its new number.
    """
    new = {old: number for number, old in enumerate(old_ids)}
    document = copy.copy(dict(vocabulary.document))
    document["model"] = _model(vocabulary, new)
    document["added_tokens"] = sorted(
        (
            {**entry, "id": new[vocabulary.ids[entry["content"]]]}
            for entry in vocabulary.document.get("added_tokens", [])
        ),
        key=lambda entry: entry["id"],
    )
    if document.get("post_processor"):
        document["post_processor"] = _post_processor(document["post_processor"], new)
    if (document.get("padding") or {}).get("pad_id") in new:
        document["padding"] = {
            **document["padding"],
            "pad_id": new[document["padding"]["pad_id"]],
        }
    _check(document, {vocabulary.tokens[old]: number for old, number in new.items()})
    return document


def _own_ids(vocabulary: Vocabulary) -> Iterable[int]:
    """Ids of the model's own table; added tokens are numbered after it."""
    if vocabulary.kind == "Unigram":
        return range(len(vocabulary.model["vocab"]))
    return vocabulary.model["vocab"].values()


def _model(vocabulary: Vocabulary, new: Mapping[int, int]) -> dict[str, Any]:
    old = vocabulary.model
    model = dict(old)
    if vocabulary.kind == "Unigram":
        table = old["vocab"]
        model["vocab"] = [table[number] for number in new if number < len(table)]
        if old.get("unk_id") is not None:
            model["unk_id"] = new[old["unk_id"]]
        return model
    model["vocab"] = {token: new[number] for token, number in old["vocab"].items() if number in new}
    if vocabulary.kind == "BPE":
        known = model["vocab"]
        model["merges"] = [
            list(pair)
            for pair in vocabulary.ranks
            if pair[0] in known and pair[1] in known and vocabulary.joined(*pair) in known
        ]
    return model


def _post_processor(processor: Mapping[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """Every kind that has ids: templates, RoBERTa's and BERT's pairs, and sequences of them."""
    mended = dict(processor)
    if "processors" in mended:
        mended["processors"] = [_post_processor(one, new) for one in mended["processors"]]
    for name in ("sep", "cls"):
        if isinstance(mended.get(name), list):
            token, number = mended[name]
            mended[name] = [token, new[number]]
    if "special_tokens" in mended:
        mended["special_tokens"] = {
            name: {**entry, "ids": [new[number] for number in entry["ids"]]}
            for name, entry in mended["special_tokens"].items()
        }
    return mended


def _check(document: Mapping[str, Any], expected: Mapping[str, int]) -> None:
    found = documents.tokenizer(document).get_vocab(with_added_tokens=True)
    wrong = [token for token, number in expected.items() if found.get(token) != number]
    if wrong or len(found) != len(expected):
        raise StepError(
            f"trim_vocab: {len(wrong)} pieces of the trimmed tokenizer have another number than "
            f"their row in the embedding (such as '{(wrong or ['?'])[0]}'); save the tokenizer "
            "again with save_pretrained, or leave the step out."
        )

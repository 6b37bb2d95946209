"""Holds a folder's tokenizer.json against the tokenizer that transformers makes of the folder.

tokenizer_config.json and the tokenizer's class can overrule tokenizer.json, which is all that the
runtime reads. What transformers 4 saved is read as it did, see tokenizer_of_4.py. Runs no model.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers import logging as library_logging

from edgekit.checkpoint import models, tokenizer_of_4
from edgekit.checkpoint.describe import TOKENIZER_CONFIG, read_config, write_json
from edgekit.checkpoint.encoders import has_types
from edgekit.checkpoint.weights import read_json
from edgekit.data import scripts
from edgekit.data.inputs import Pair
from edgekit.errors import CheckpointError
from edgekit.runtime.tokens import TOKENIZER, guarded, load_tokenizer

_FILES = (
    TOKENIZER, "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "chat_template.jinja", "chat_template.json",
)  # fmt: skip
_CLASS, _PLAIN = "tokenizer_class", "PreTrainedTokenizerFast"
_BARE = 16
_CHARACTERS = 400
_ADDED = 64
"""At most this many added tokens are put into texts, evenly chosen."""


def load(folder: Path) -> PreTrainedTokenizerFast:
    """What AutoTokenizer makes of a folder, in the version of transformers that saved it.

    Raises CheckpointError where transformers cannot load it, or only with code in Python.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return _load(_copied(folder, Path(scratch)), folder)


def settle(source: Path, out: Path) -> list[str]:
    """Makes `out`/tokenizer.json read many-script texts as transformers reads them in `source`.

    Returns what was changed, as sentences. Raises CheckpointError where no tokenizer.json does.
    """
    with tempfile.TemporaryDirectory() as scratch:
        told = _copied(source, Path(scratch))
        theirs = _load(told, source)
        rows = int(read_config(source)["vocab_size"])
        texts = [text[:_CHARACTERS] for text in scripts.texts()]
        texts += of_added(theirs, rows=rows)
        if first_difference(out / TOKENIZER, theirs, texts) is None:
            return []
        key = _culprit(told, texts, out)
        _write(theirs, out / TOKENIZER, rows=rows)
        refuse_difference(out / TOKENIZER, theirs, texts, place=source, key=key)
        return [
            f"tokenizer.json was written anew as transformers reads it: {key} overrules it, and "
            "the ids of some texts with it"
        ]


def refuse_difference(
    path: Path,
    theirs: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    place: Path,
    key: str = "a key that edgekit does not know",
) -> None:
    """Raises CheckpointError with the first text that the tokenizer.json `path` reads otherwise."""
    found = first_difference(path, theirs, texts)
    if found is None:
        return
    text, ours, wanted = found
    raise CheckpointError(
        f"{place}: transformers reads {text[:60]!r} as {wanted[:12]}, and tokenizer.json by itself "
        f"as {ours[:12]}: {key} overrules it in a way that cannot be written into tokenizer.json; "
        "save the tokenizer as it was trained with: "
        "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
    )


def refuse_pair_difference(
    folder: Path, theirs: PreTrainedTokenizerFast, pairs: Sequence[Pair]
) -> None:
    """Raises CheckpointError with the first pair of which the folder's tokenizer.json gives other
    ids, or other token types to a model that has them, than transformers does."""
    ours, typed = load_tokenizer(folder / TOKENIZER), has_types(models.read_config(folder))
    for first, second in pairs:
        told = guarded(theirs, first, second, verbose=False)
        wanted = [list(told["input_ids"])]
        found = guarded(ours.encode, first, second)
        ids = [found.ids]
        if typed:
            # Where a tokenizer gives none, the model takes them to be 0.
            wanted.append(list(told.get("token_type_ids", [0] * len(wanted[0]))))
            ids.append(found.type_ids)
        if ids != wanted:
            number = next(n for n in range(len(ids)) if ids[n] != wanted[n])
            raise CheckpointError(
                f"{folder}: transformers reads the pair {first[:40]!r} and {second[:40]!r} with "
                f"the {('ids', 'token types')[number]} {wanted[number][:12]}, and tokenizer.json "
                f"by itself with {ids[number][:12]}; save the tokenizer as it was trained with: "
                "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
            )


def first_difference(
    path: Path, theirs: PreTrainedTokenizerFast, texts: Sequence[str]
) -> tuple[str, list[int], list[int]] | None:
    """The first text with other ids, with and without special tokens around it, and both ids."""
    ours = load_tokenizer(path)
    # What is set around a text does not depend on the text: a few are enough for the second.
    for special, some in ((True, list(texts)), (False, list(texts[:_BARE]))):
        wanted = ids(theirs, some, special=special)
        found = guarded(ours.encode_batch, some, add_special_tokens=special)
        for text, one, other in zip(some, found, wanted, strict=True):
            if one.ids != other:
                return text, one.ids, other
    return None


def ids(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, special: bool = True
) -> list[list[int]]:
    """The ids of whole texts, as a call of the tokenizer gives them."""
    told = guarded(tokenizer, list(texts), add_special_tokens=special, verbose=False)
    return [list(one) for one in told["input_ids"]]


def added(tokenizer: PreTrainedTokenizerFast, *, rows: int, most: int = _ADDED) -> list[str]:
    """Some of the added tokens, evenly chosen.

    Those beyond the embeddings' `rows` are of transformers' own making: a class that knows a mask
    adds one, for which no model was trained. Those of tokenizer.json are refused: see tables.py.
    """
    found = [
        token.content for number, token in tokenizer.added_tokens_decoder.items() if number < rows
    ]
    return found[:: max(1, len(found) // most)][:most]


def of_added(tokenizer: PreTrainedTokenizerFast, *, rows: int) -> list[str]:
    """Texts around the added tokens."""
    chosen = added(tokenizer, rows=rows)
    return [text for one in chosen for text in (one, f"one{one}two", f"Three {one} {one} 4. {one}")]


def _write(tokenizer: PreTrainedTokenizerFast, path: Path, *, rows: int) -> None:
    """As save_pretrained writes it, but for tokens of transformers' own making: see `added`."""
    before = {entry["content"] for entry in read_json(path).get("added_tokens") or ()}
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    document["added_tokens"] = [
        entry
        for entry in document["added_tokens"]
        if entry["id"] < rows or entry["content"] in before
    ]
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _copied(folder: Path, out: Path) -> Path:
    """The files that a tokenizer is made of."""
    for name in _FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)
    write_json(out / "config.json", read_config(folder))
    if (folder / TOKENIZER_CONFIG).is_file():
        write_json(out / TOKENIZER_CONFIG, read_json(folder / TOKENIZER_CONFIG))
    return out


def _load(folder: Path, place: Path) -> PreTrainedTokenizerFast:
    verbosity = library_logging.get_verbosity()
    library_logging.set_verbosity(logging.CRITICAL)
    try:
        path = folder / TOKENIZER_CONFIG
        told = read_json(path) if path.is_file() else {}
        found: Any = (
            guarded(tokenizer_of_4.load, folder, told, read_json(folder / "config.json"))
            if tokenizer_of_4.wrote(told)
            else guarded(
                AutoTokenizer.from_pretrained,
                folder,
                local_files_only=True,
                trust_remote_code=False,
            )
        )
    except Exception as error:  # any of transformers' own, with its own reasons
        why = " ".join(str(error).split())
        raise CheckpointError(
            f"{place}: transformers cannot load this tokenizer ({type(error).__name__}: "
            f"{why:.200}); mend {TOKENIZER_CONFIG}, or save the tokenizer anew where it loads: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        ) from error
    finally:
        library_logging.set_verbosity(verbosity)
    if not isinstance(found, PreTrainedTokenizerFast):
        raise CheckpointError(
            f"{place}: transformers reads texts with {_class_of(found)}, whose rules are in "
            "Python and not in tokenizer.json; take a checkpoint with a fast tokenizer."
        )
    return found


def _class_of(found: Any) -> str:
    return found.__name__ if isinstance(found, type) else type(found).__name__


def _culprit(folder: Path, texts: Sequence[str], out: Path) -> str:
    """The key of tokenizer_config.json without which transformers reads tokenizer.json as it is."""
    path = folder / TOKENIZER_CONFIG
    told: dict[str, Any] = read_json(path) if path.is_file() else {}
    tried = [(key, {k: v for k, v in told.items() if k != key}) for key in sorted(told)]
    for key, others in [*tried, (_CLASS, {**told, _CLASS: _PLAIN})]:
        path.write_text(json.dumps(others), encoding="utf-8")
        try:
            alike = first_difference(out / TOKENIZER, _load(folder, folder), texts) is None
        except CheckpointError:
            continue
        if alike:
            given = f" {told[key]!r:.60}" if key in told else ", which is not given,"
            return f"'{key}'{given} in {TOKENIZER_CONFIG}"
    return f"more than one key of {TOKENIZER_CONFIG} together"

"""Renumbers the token ids in a checkpoint's JSON files. Decides nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# bos_token_id, forced_bos_token_id, decoder_start_token_id, suppress_tokens, bad_words_ids …; but
# not max_new_tokens, which is a count.
_IDS = re.compile(r".*(_token_ids?|(?<!_new)_tokens|_words_ids)")


def ids(folder: Path) -> set[int]:
    """Every token id that config.json or generation_config.json names."""
    found: set[int] = set()
    for name in ("config.json", "generation_config.json"):
        for key, value in _read(folder / name).items():
            if _IDS.fullmatch(key):
                found |= _numbers(value)
    return found


def write(source: Path, out: Path, new: Mapping[int, int], *, size: int) -> None:
    """Writes the files of `source` into `out` with the new ids; `size` is the vocabulary's.

    An id that was not in the old vocabulary either becomes null.
    """
    for name in ("config.json", "generation_config.json"):
        config = _read(source / name)
        mended = {
            key: _renumbered(value, new) if _IDS.fullmatch(key) else value
            for key, value in config.items()
        }
        if name == "config.json":
            mended["vocab_size"] = size
            if "decoder_vocab_size" in mended:  # Marian's, which is the same
                mended["decoder_vocab_size"] = size
        if config:
            _write(out / name, mended)
    tokenizer = _read(source / "tokenizer_config.json")
    if "added_tokens_decoder" in tokenizer:
        tokenizer["added_tokens_decoder"] = {
            str(new[int(number)]): entry
            for number, entry in tokenizer["added_tokens_decoder"].items()
            if int(number) in new
        }
    if tokenizer:
        _write(out / "tokenizer_config.json", tokenizer)


def _numbers(value: Any) -> set[int]:
    if isinstance(value, list):
        return set().union(*(_numbers(one) for one in value))
    return {value} if isinstance(value, int) and not isinstance(value, bool) else set()


def _renumbered(value: Any, new: Mapping[int, int]) -> Any:
    if isinstance(value, list):
        return [_renumbered(one, new) for one in value]
    return new.get(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

"""Cuts pieces out of a GGUF file, even a quantized one, and proves what is left.

The rows of embedding and output are copied unchanged. Works like the step `trim_vocab`, except for
what a GGUF does not say: the rule by which text is split before BPE. The choice guesses it, and
nothing depends on the guess: llama.cpp itself reads the texts of the proof with both files.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from edgekit.data import declaration
from edgekit.errors import ExportError
from edgekit.export.gguf import predicting, rewriting, vocabularies
from edgekit.export.gguf.rewriting import Opened
from edgekit.runtime import rendering
from edgekit.steps.trim_vocab.vocabulary import deciding, documents, required
from edgekit.steps.trim_vocab.vocabulary.decoder import DecoderKind
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.proof import Compared, Text, check_bounds, units
from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings

EXACT_TEXTS = 16
MOST_DIFFERENCE = 1e-4
"""In logits, relative to the largest: a shorter table may be multiplied in other blocks."""
TABLES = ("token_embd.weight", "output.weight")
_KEY = "tokenizer.ggml."
_TOKENS, _TYPES, _SCORES, _MERGES = (
    _KEY + name for name in ("tokens", "token_type", "scores", "merges")
)
_IDS = re.compile(r"tokenizer\.ggml\..*_token_ids?")
_ADDED = (gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED)
_BYTE_LEVEL = {
    "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True,
}  # fmt: skip


def trim(
    model: Path,
    out: Path,
    *,
    languages: Sequence[str],
    settings: TrimVocabSettings,
    texts: Mapping[str, Sequence[str]],
    judging: Mapping[str, Sequence[str]],
    threads: int,
) -> dict[str, Any]:
    """Writes `out`, a GGUF of the pieces that the `languages` need; returns what was proven.

    `texts` choose, by language, together with lists of frequent words; `judging` and the Universal
    Declaration judge. Raises StepError where the settings cannot be met, and ExportError for a file
    that cannot be trimmed, or whose tokens or logits would change.
    """
    source = rewriting.read(model)
    facts = source.facts
    vocabulary = read_vocabulary(model, facts)
    named = {number for key, value in facts.items() if _IDS.fullmatch(key)
             for number in (value if isinstance(value, list) else [value])}  # fmt: skip
    own = {name: list(found) for name, found in texts.items()}
    decided = deciding.decide(
        settings,
        vocabulary,
        own,
        languages=languages,
        kind=_kind(facts),
        kept=(named & set(vocabulary.tokens)) | required.asked_for(vocabulary, settings.keep),
        on_progress=lambda fraction: None,
    )
    rows = np.array(sorted(decided.kept | named))
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        made = Path(folder) / out.name
        _write(source, made, rows)
        chosen_by = {text for found in own.values() for text in found}
        compared = _compare(model, made, rows, _texts(languages, judging, chosen_by))
        check_bounds(
            [compared[name] for name in languages],
            most_tokens_rise=settings.most_tokens_rise,
            most_unknown_rise=settings.most_unknown_rise,
            pieces=len(rows),
        )
        equal = _prove(model, made, rows, compared, threads=threads)
        made.replace(out)
    return {
        "pieces": {"before": len(facts[_TOKENS]), "after": len(rows)},
        "size_bytes": {"before": model.stat().st_size, "after": out.stat().st_size},
        "by_language": {name: {**one.as_json(), **equal.get(name, {})}
                        for name, one in compared.items()},
    }  # fmt: skip


def read_vocabulary(model: Path, facts: Mapping[str, Any]) -> Vocabulary:
    """The pieces and merges of a GGUF; raises ExportError for a kind that cannot be trimmed."""
    kind = facts.get(f"{_KEY}model")
    if kind not in ("gpt2", "llama"):
        raise ExportError(
            f"{model}: its tokenizer is of the kind '{kind}', and only byte-level BPE ('gpt2') and "
            "BPE with byte fallback ('llama') can be trimmed; leave the file as it is."
        )
    tokens, types = facts[_TOKENS], facts[_TYPES]
    ids = {piece: number for number, piece in enumerate(tokens)
           if types[number] != gguf.TokenType.UNUSED}  # fmt: skip
    known = {piece: number for piece, number in ids.items() if types[number] not in _ADDED}
    bytewise = kind == "gpt2"
    merges = (
        [one.split(" ") for one in facts[_MERGES]] if bytewise
        else [list(pair) for pair in _merges(known, facts[_SCORES])]
    )  # fmt: skip
    unknown = next(
        (piece for number, piece in enumerate(tokens) if types[number] == gguf.TokenType.UNKNOWN),
        None,
    )
    document = {
        "added_tokens": [
            {"id": number, "content": piece, "special": True, "normalized": False,
             "single_word": False, "lstrip": False, "rstrip": False}
            for piece, number in ids.items() if types[number] in _ADDED
        ],
        "normalizer": None if bytewise else {
            "type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": _BYTE_LEVEL if bytewise else None,
        "post_processor": None,
        "decoder": _BYTE_LEVEL if bytewise else None,
        "model": {
            "type": "BPE", "vocab": ids, "merges": merges, "byte_fallback": not bytewise,
            "fuse_unk": not bytewise, "unk_token": None if bytewise else unknown,
        },
    }  # fmt: skip
    added = frozenset(number for number in ids.values() if types[number] in _ADDED)
    return Vocabulary(document, ids, added, documents.tokenizer(document))


def _merges(known: Mapping[str, int], scores: Sequence[float]) -> Iterator[tuple[str, str]]:
    """Every way to make a piece from two others, highest score first, the order in which llama.cpp
    joins neighbours."""
    for piece in sorted(known, key=lambda one: -scores[known[one]]):
        for at in range(1, len(piece)):
            if piece[:at] in known and piece[at:] in known:
                yield piece[:at], piece[at:]


def _kind(facts: Mapping[str, Any]) -> DecoderKind:
    template = facts.get("tokenizer.chat_template")
    return DecoderKind(template, "", "", tuple(rendering.literals(template)) if template else ())


def _write(source: Opened, out: Path, rows: np.ndarray) -> None:
    facts, before = source.facts, len(source.facts[_TOKENS])
    new = {int(old): number for number, old in enumerate(rows)}
    changed: dict[str, Any] = {}
    for key, value in facts.items():
        if _IDS.fullmatch(key):
            changed[key] = [new[one] for one in value] if isinstance(value, list) else new[value]
        elif key.endswith(".vocab_size"):
            changed[key] = len(rows)
        elif key == _MERGES:
            left = {facts[_TOKENS][row] for row in rows}
            pairs = (one.split(" ") for one in value)
            changed[key] = [f"{one} {two}" for one, two in pairs
                            if {one, two, one + two} <= left]  # fmt: skip
        elif isinstance(value, list) and len(value) == before:
            changed[key] = [value[row] for row in rows]
    found = {name: count for name, count in source.tables.items() if name in TABLES}
    if set(found.values()) != {before}:
        raise ExportError(
            f"{source.path}: it has {before:,} pieces and tables of {found}; the file is damaged, "
            "or of an architecture that cannot be trimmed."
        )
    rewriting.copy(source, out, changed=changed, tables=found, rows=rows)


def _texts(
    languages: Sequence[str], judging: Mapping[str, Sequence[str]], chosen_by: set[str]
) -> dict[str, list[Text]]:
    found: dict[str, list[Text]] = {}
    for name in dict.fromkeys([*languages, *judging]):
        held_out = [Text(text, held_out=True) for text in judging.get(name, ())]
        declared = [Text(text, held_out=False) for text in declaration.paragraphs(name)]
        found[name] = [text for text in (*held_out, *declared) if text.text not in chosen_by]
    return found


def _compare(
    model: Path, made: Path, rows: np.ndarray, texts: Mapping[str, Sequence[Text]]
) -> dict[str, Compared]:
    """Raises ExportError for a text whose tokens were all kept but come out differently."""
    new = {int(old): number for number, old in enumerate(rows)}
    told = [text.text for found in texts.values() for text in found]
    both = [iter(predicting.tokenize(one, told, special=False)) for one in (model, made)]
    found = {}
    for language, judged in texts.items():
        one = found[language] = Compared(language)
        for text in judged:
            before, after = (next(side) for side in both)
            wanted = [new.get(number) for number in before]
            if wanted != after and None not in wanted:
                raise ExportError(
                    f"{model.name}: the tokens of a text in '{language}' were all kept, and the "
                    f"trimmed file reads others ('{text.text[:60]}'); leave the file as it is."
                )
            (one.same if wanted == after else one.changed).append(text)
            one.units += units(text.text, language)
            one.before, one.after = one.before + len(before), one.after + len(after)
    return found


def _prove(
    model: Path,
    made: Path,
    rows: np.ndarray,
    compared: Mapping[str, Compared],
    *,
    threads: int,
) -> dict[str, dict[str, Any]]:
    """By language, texts whose logits over the kept pieces are the same, and those the same to the
    bit. Raises ExportError where they differ."""
    of_each = max(1, EXACT_TEXTS // max(1, len(compared)))
    chosen = [(one.language, text.text) for one in compared.values()
              for text in one.same[:: max(1, len(one.same) // of_each)][:of_each]]  # fmt: skip
    if not chosen:
        return {}
    told = [text for _, text in chosen]
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            vocabularies.logits(
                path, told, Path(folder) / f"{number}.npy", pieces=pieces, threads=threads
            )
            for number, (path, pieces) in enumerate(((model, rows), (made, None)))
        ]
        for (language, text), old, new in zip(chosen, *sides, strict=True):
            if not np.abs(old - new).max() <= MOST_DIFFERENCE * np.abs(old).max():
                raise ExportError(
                    f"{model.name}: a text in '{language}' has the same tokens as before and other "
                    f"logits ('{text[:60]}'); the file is of an architecture that cannot be "
                    "trimmed."
                )
            one = found.setdefault(language, {"logits_equal": 0, "bit_equal": 0})
            one["logits_equal"] += 1
            one["bit_equal"] += int(np.array_equal(old, new))
    return found

"""From tokenizer.json to the tokenizer that llama.cpp builds from a GGUF. Proves nothing.

Two kinds are supported: byte-level BPE, and BPE with byte fallback as transformers makes it from a
SentencePiece model. A pre-tokenizer cannot be read, only tried: see export/gguf/trials.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
from tokenizers import Tokenizer

from edgekit.checkpoint.decoders import Architecture
from edgekit.errors import CheckpointError
from edgekit.runtime.gguf.prepared import NORMALIZE, PREPEND

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
"""Our own keys in the file, for its Preparation; absent if there is nothing to do."""
_SPACE = "▁"
_SPECIALS = ("bos", "eos", "unk", "pad")
# Score of what is merged last: tokens that no merge makes, which transformers never produces.
_UNMERGED = -1e6


@dataclass(frozen=True, slots=True)
class Preparation:
    """What must be done to a text before llama.cpp reads it, since llama.cpp does not do it."""

    prepend: str = ""
    """Goes before texts that begin neither with a special token nor with a space."""
    normalize: Form | None = None
    """The Unicode form that texts are normalized to."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A GGUF's description of its tokenizer, except for the name of the pre-tokenizer."""

    kind: Literal["gpt2", "llama"]
    """llama.cpp's names: byte-level BPE, and BPE with byte fallback."""
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    """For byte-level BPE."""
    scores: tuple[float, ...]
    """For BPE with byte fallback: the earlier a token's merge, the higher."""
    specials: Mapping[str, int]
    """Ids of bos, eos, unk and pad, as far as they exist."""
    add_bos: bool
    add_eos: bool
    space_prefix: bool
    """A space goes before every text, and before what follows a special token."""
    preparation: Preparation

    def text(self, name: str) -> str:
        """The text of a special token; empty if there is none."""
        return self.tokens[self.specials[name]] if name in self.specials else ""

    def add_to(self, writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model(self.kind)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        if self.kind == "gpt2":
            writer.add_token_merges(self.merges)
        else:
            writer.add_token_scores(self.scores)
            writer.add_add_space_prefix(self.space_prefix)
        # llama.cpp falls back on ids of its own for missing keys, so these always name a token.
        writer.add_bos_token_id(self.specials.get("bos", self.specials["eos"]))
        writer.add_eos_token_id(self.specials["eos"])
        if "unk" in self.specials:
            writer.add_unk_token_id(self.specials["unk"])
        if "pad" in self.specials:
            writer.add_pad_token_id(self.specials["pad"])
        writer.add_string(PREPEND, self.preparation.prepend)
        writer.add_string(NORMALIZE, self.preparation.normalize or "")
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(self.add_eos)


def load(checkpoint: Path) -> Tokenizer:
    """The checkpoint's tokenizer, without truncation or padding left over from training."""
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def read(checkpoint: Path, *, rows: int, architecture: Architecture) -> Vocabulary:
    """`rows` is the number of rows of the embedding. Raises CheckpointError if it does not fit."""
    path = checkpoint / "tokenizer.json"
    if not path.is_file():
        raise CheckpointError(
            f"{checkpoint}: tokenizer.json is missing; save the folder's fast tokenizer into it "
            "with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        )
    document = json.loads(path.read_text(encoding="utf-8"))
    model = document["model"]
    if model.get("type", "BPE") != "BPE":
        raise CheckpointError(
            f"{path}: its model is of the type {model['type']}, and only BPE can be exported."
        )
    added = {entry["id"]: entry for entry in document.get("added_tokens", [])}
    pieces = {number: piece for piece, number in model["vocab"].items()}
    pieces.update({number: entry["content"] for number, entry in added.items()})
    for number in [number for number in pieces if number >= rows]:
        if pieces[number] in architecture.surplus:
            del pieces[number]
    if max(pieces) >= rows:
        raise CheckpointError(
            f"{path}: its token {pieces[max(pieces)]!r} has the number {max(pieces)}, and the "
            f"embedding has {rows} rows; resize the embedding (resize_token_embeddings) and train "
            "what is new, or restore the tokenizer that the checkpoint was trained with."
        )
    tokens = [pieces.get(number, "") for number in range(rows)]
    bytewise = _has(document, "pre_tokenizer", "ByteLevel")
    specials = _specials(checkpoint, {piece: number for number, piece in pieces.items()})
    add_bos, add_eos = _ends(path, specials)
    return Vocabulary(
        kind="gpt2" if bytewise else "llama",
        tokens=tuple(_told(tokens, added, bytewise=bytewise)),
        types=tuple(_types(tokens, added, unk=model.get("unk_token"), bytewise=bytewise)),
        merges=tuple(" ".join(pair) for pair in _merges(model)) if bytewise else (),
        scores=() if bytewise else tuple(_scores(tokens, model)),
        specials=specials,
        add_bos=add_bos,
        add_eos=add_eos,
        space_prefix=_prepends_everywhere(document),
        preparation=preparation(document),
    )


def preparation(document: Mapping[str, Any]) -> Preparation:
    """The preparation that a tokenizer.json asks for."""
    forms = [step["type"] for step in _steps(document, "normalizer")]
    first = [step for step in _steps(document, "pre_tokenizer")
             if step["type"] == "Metaspace" and step.get("prepend_scheme") == "first"]  # fmt: skip
    return Preparation(
        prepend=" " if first else "",
        normalize=next((form for form in ("NFC", "NFD", "NFKC", "NFKD") if form in forms), None),
    )


def _told(
    tokens: Sequence[str], added: Mapping[int, Mapping[str, Any]], *, bytewise: bool
) -> Iterator[str]:
    """The tokens as llama.cpp looks for them; embedding rows without a token get a name."""
    known = set(tokens)
    for number, token in enumerate(tokens):
        if not token:
            name = f"[unused {number}]"
            yield name if name not in known else f"[unused {number} {number}]"
        elif number in added and not bytewise and not added[number]["special"]:
            yield token.replace(_SPACE, " ")  # matched before spaces are replaced
        else:
            yield token


def _types(
    tokens: Sequence[str],
    added: Mapping[int, Mapping[str, Any]],
    *,
    unk: str | None,
    bytewise: bool,
) -> Iterator[int]:
    for number, token in enumerate(tokens):
        if not token:
            yield gguf.TokenType.UNUSED
        elif token == unk and not bytewise:
            yield gguf.TokenType.UNKNOWN
        elif number in added:
            special = added[number]["special"]
            yield gguf.TokenType.CONTROL if special else gguf.TokenType.USER_DEFINED
        elif _is_byte(token) and not bytewise:
            yield gguf.TokenType.BYTE
        else:
            yield gguf.TokenType.NORMAL


def _is_byte(token: str) -> bool:
    return len(token) == 6 and token.startswith("<0x") and token.endswith(">")


def _merges(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """tokenizers writes a merge as a list since version 0.20, and as a single string before."""
    for merge in model["merges"]:
        first, second = merge.split(" ") if isinstance(merge, str) else merge
        yield first, second


def _scores(tokens: Sequence[str], model: Mapping[str, Any]) -> list[float]:
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(_merges(model)):
        ranks.setdefault("".join(pair), rank)
    return [-float(ranks[token]) if token in ranks else _UNMERGED for token in tokens]


def _specials(checkpoint: Path, ids: Mapping[str, int]) -> dict[str, int]:
    """Ids of bos, eos, unk and pad; raises CheckpointError for one that is not a token."""
    path = checkpoint / "tokenizer_config.json"
    told = _read(path) or _read(checkpoint / "special_tokens_map.json")
    found = {}
    for name in _SPECIALS:
        value = told.get(f"{name}_token")
        text = value.get("content") if isinstance(value, dict) else value
        if text is None:
            continue
        if text not in ids:
            raise CheckpointError(
                f"{path}: {name}_token is {text!r}, and tokenizer.json has no such token; write "
                "the one that the checkpoint was trained with."
            )
        found[name] = ids[text]
    if "eos" not in found:
        raise CheckpointError(
            f"{path}: eos_token is missing, the token that ends an answer; add it."
        )
    return found


def _ends(path: Path, specials: Mapping[str, int]) -> tuple[bool, bool]:
    """Whether the tokenizer puts bos before a text, and eos after it."""
    tokenizer = load(path.parent)
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a").ids
    begins = [specials["bos"]] if "bos" in specials and whole[0] == specials["bos"] else []
    ends = [specials["eos"]] if whole[-1] == specials["eos"] and len(whole) > len(bare) else []
    if whole != [*begins, *bare, *ends]:
        raise CheckpointError(
            f"{path}: it sets other tokens around a text than bos and eos, which llama.cpp cannot; "
            "give it a post-processor that sets these alone."
        )
    return bool(begins), bool(ends)


def _prepends_everywhere(document: Mapping[str, Any]) -> bool:
    """Whether a space goes before each part of a text that is split at special tokens."""
    return _has(document, "normalizer", "Prepend") or any(
        step["type"] == "Metaspace" and step.get("prepend_scheme", "always") == "always"
        for step in _steps(document, "pre_tokenizer")
    )


def _has(document: Mapping[str, Any], part: str, kind: str) -> bool:
    return any(step["type"] == kind for step in _steps(document, part))


def _steps(document: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, with sequences flattened."""
    found = document.get(part)
    if not found:
        return []
    if found["type"] == "Sequence":
        inner = found.get("normalizers") or found.get("pretokenizers") or []
        return [step for one in inner for step in _steps({part: one}, part)]
    return [found]


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

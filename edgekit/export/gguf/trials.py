"""Finds the names under which llama.cpp splits texts into the tokens that the checkpoint expects.

Each trial opens a vocabulary-only GGUF file in a child process, which a wrong one may crash: a
trial that dies is a trial that failed.
"""

from __future__ import annotations

import contextlib
import re
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import gguf
from tokenizers import Tokenizer

from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.decoders import Architecture
from edgekit.checkpoint.tokenizer import Preparation, Vocabulary
from edgekit.data import scripts
from edgekit.errors import ExportError
from edgekit.export.gguf import predicting, pretokenizers
from edgekit.runtime.gguf.prepared import prepared
from edgekit.system import child
from edgekit.system.serving import Request, Verb

_MODULE = "edgekit.export.gguf.trials"
_ADDED_TOKENS = 32
_MOST_DEATHS = 3
"""After this many, the name is not what llama.cpp dies of."""
_PIECES, _PIECES_OF_TEXT = 4096, 128


@dataclass(frozen=True, slots=True)
class Names:
    """The names from which llama.cpp derives a tokenizer's behaviour."""

    pre: str
    general: str
    spared: str | None = None
    """A pattern of texts that the proof leaves out; see pretokenizers.MISREAD."""

    def reads(self, text: str) -> bool:
        """Whether the text is one of those that must give the checkpoint's tokens."""
        return self.spared is None or re.search(self.spared, text) is None

    def add_to(self, writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_pre(self.pre)
        writer.add_name(self.general)


@dataclass(frozen=True, slots=True)
class Found:
    """The names under which all texts gave the checkpoint's tokens."""

    names: Names
    texts: int
    tokens: int
    tried: int

    @property
    def notes(self) -> list[str]:
        """What a person should know of how llama.cpp reads texts under these names."""
        return [] if self.names.spared is None else [pretokenizers.MISREAD[self.names.pre][1]]


def find(checkpoint: Path, vocabulary: Vocabulary, architecture: Architecture) -> Found:
    """Raises ExportError with the first text that the best of all names reads differently."""
    tokenizer = tokenizing.load(checkpoint)
    texts = list(_texts(vocabulary, tokenizer))
    wanted = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    told = [told_text(text, vocabulary.preparation, tokenizer) for text in texts]
    known = pretokenizers.BYTE_LEVEL if vocabulary.kind == "gpt2" else pretokenizers.SENTENCEPIECE
    candidates = [Names(pre, general) for general, pre in product(architecture.names, known)]
    candidates += [
        replace(one, spared=pretokenizers.MISREAD[one.pre][0])
        for one in candidates
        if one.pre in pretokenizers.MISREAD
    ]
    with tempfile.TemporaryDirectory() as folder:
        trials = _Trials(Path(folder), vocabulary, architecture.gguf, told, wanted)
        best, results = trials.run(candidates)
    if results[best]["same"] < len(texts):
        text = texts[results[best]["same"]]
        raise ExportError(
            f"{checkpoint / 'tokenizer.json'}: llama.cpp knows no way to read texts as this "
            f"tokenizer does; the nearest ('{candidates[best].pre}') reads {text[:60]!r} as "
            f"{results[best]['ids'][:12]} where it must be {wanted[results[best]['same']][:12]}. "
            "Use the tokenizer that the checkpoint's base model came with."
        )
    read = [ids for text, ids in zip(texts, wanted, strict=True) if candidates[best].reads(text)]
    return Found(candidates[best], len(read), sum(map(len, read)), len(results))


def prove(
    model: Path,
    checkpoint: Path,
    preparation: Preparation,
    conversations: Sequence[str],
    names: Names | None = None,
) -> None:
    """Proves the tokenizer in a finished GGUF: on texts as users write them, and on rendered
    conversations, but for those that its `names` spare. Raises ExportError with the first that
    gives other tokens."""
    tokenizer = tokenizing.load(checkpoint)
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    plain = [text for text in scripts.hard_texts() if not any(token in text for token in added)]
    for given, special in ((plain, False), (conversations, True)):
        texts = [text for text in given if names is None or names.reads(text)]
        told = [told_text(text, preparation, tokenizer) for text in texts]
        found = predicting.tokenize(model, told, special=special)
        for text, ids in zip(texts, found, strict=True):
            wanted = tokenizer.encode(text, add_special_tokens=not special).ids
            if ids != wanted:
                raise ExportError(
                    f"gguf: {model.name} reads {text[:200]!r} as {ids[:12]} where the "
                    f"checkpoint's tokenizer reads {wanted[:12]}; use that of its base model."
                )


def told_text(text: str, preparation: Preparation, tokenizer: Tokenizer) -> str:
    """The text in the form in which llama.cpp must get it."""
    normalized = prepared(text, normalize=preparation.normalize or "")
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    begins = any(normalized.startswith(token) for token in added)
    return normalized if begins else prepared(normalized, prepend=preparation.prepend)


def _texts(vocabulary: Vocabulary, tokenizer: Tokenizer) -> Iterator[str]:
    yield from scripts.texts()
    yield from _of_pieces(tokenizer)
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    every = max(1, len(added) // _ADDED_TOKENS)
    for token in dict.fromkeys([*map(vocabulary.text, vocabulary.specials), *added[::every]]):
        yield from (token, f"one{token}two", f"Three {token}\nfour\n{token}{token} 5. {token}")


def _of_pieces(tokenizer: Tokenizer) -> Iterator[str]:
    """Pieces from all over the vocabulary next to each other, as no real text may have them."""
    count = tokenizer.get_vocab_size(with_added_tokens=False)
    chosen = [tokenizer.decode([number]) for number in range(0, count, -(-count // _PIECES))]
    whole = [piece for piece in chosen if piece and "\ufffd" not in piece]
    for start in range(0, len(whole), _PIECES_OF_TEXT):
        part = whole[start : start + _PIECES_OF_TEXT]
        yield from ("".join(part), " ".join(part[::-1]))


class _Trials:
    """One vocabulary-only file, whose names are changed from trial to trial."""

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        architecture: str,
        texts: Sequence[str],
        wanted: Sequence[Sequence[int]],
    ) -> None:
        self._file = folder / "vocabulary.gguf"
        placeholder = Names("default", "model")
        writer = gguf.GGUFWriter(self._file, architecture)
        vocabulary.add_to(writer)
        placeholder.add_to(writer)  # last, so that others can be written over them
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        self._before_names = self._file.stat().st_size - len(_tail(placeholder))
        self._texts, self._wanted = list(texts), [list(ids) for ids in wanted]

    def run(self, candidates: Sequence[Names]) -> tuple[int, list[dict[str, Any]]]:
        """The index of the best, and the result of each up to the first that reads all texts."""
        results: list[dict[str, Any]] = []
        deaths = 0
        while len(results) < len(candidates):
            results += self._try(candidates[len(results) :])
            if results and results[-1]["same"] == len(self._texts):
                break
            if len(results) < len(candidates):
                results.append({"same": 0, "ids": []})  # the one that it died of
                deaths += 1
            if deaths == _MOST_DEATHS:
                break
        best = max(range(len(results)), key=lambda place: results[place]["same"])
        return best, results

    def _try(self, candidates: Sequence[Names]) -> list[dict[str, Any]]:
        """The result of each candidate, as far as the child lives."""
        request = {
            "texts": self._texts,
            "wanted": self._wanted,
            "file": self._file,
            "before_names": self._before_names,
            "candidates": [asdict(names) for names in candidates],
        }
        found: list[dict[str, Any]] = []
        # It may die; what it had found by then is kept.
        with contextlib.suppress(ExportError):
            doing = "gguf: trying a tokenizer"
            child.ask(_MODULE, "try", request, doing=doing, on_piece=found.append)
        return found


def _tail(names: Names) -> bytes:
    """The names as the last two entries of a GGUF file's metadata."""
    entries = {gguf.Keys.Tokenizer.PRE: names.pre, gguf.Keys.General.NAME: names.general}
    return b"".join(
        _string(key) + struct.pack("<I", gguf.GGUFValueType.STRING) + _string(value)
        for key, value in entries.items()
    )


def _string(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _run(request: Request) -> dict[str, Any]:
    """Runs in the child."""
    path = Path(request["file"])
    for candidate in request["candidates"]:
        names = Names(**candidate)
        with path.open("r+b") as stream:
            stream.seek(request["before_names"])
            stream.write(_tail(names))
            stream.truncate()
        found = _compare(path, names, request["texts"], request["wanted"])
        request.tell(found)
        if found["same"] == len(request["texts"]):
            break
    return {}


def _compare(
    path: Path, names: Names, texts: Sequence[str], wanted: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """How many texts are read correctly before the first that is not, and how that one is read."""
    from edgekit.export.gguf import opening  # llama.cpp may crash: only a child loads it

    try:
        with opening.open_model(path, vocabulary_only=True) as model:
            for same, (text, ids) in enumerate(zip(texts, wanted, strict=True)):
                if not names.reads(text):
                    continue
                found = opening.tokenize(model, text, special=True)
                if found != list(ids):
                    return {"same": same, "ids": found}
    except ExportError:
        return {"same": 0, "ids": []}  # a name that this llama.cpp does not know
    return {"same": len(texts), "ids": []}


VERBS: Mapping[str, Verb] = {"try": _run}

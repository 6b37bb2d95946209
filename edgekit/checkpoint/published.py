"""Translators as they are published, without a tokenizer.json: sentencepiece's files and a list.

Marian has source.spm, target.spm and vocab.json, M2M100 sentencepiece.bpe.model and vocab.json; the
rules that join them are in Python, in transformers. They are written as tokenizer.json, and held
against transformers. Runs no model.
"""

from __future__ import annotations

import json
import logging
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgekit.checkpoint import pieces
from edgekit.checkpoint.frames import TARGET
from edgekit.checkpoint.pieces import Numbers
from edgekit.checkpoint.weights import read_json
from edgekit.errors import CheckpointError, MissingExtra
from edgekit.runtime.tokens import TOKENIZER

_LISTED = "vocab.json"
_SPM = {
    "marian": {TOKENIZER: "source.spm", TARGET: "target.spm"},
    "m2m_100": {TOKENIZER: "sentencepiece.bpe.model"},
}
"""By the model's type, what each tokenizer of a checkpoint is made of."""
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
DECODED = 200
"""Rows of ids by chance that are written as text on both sides."""


def is_one(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the folder has these files and no tokenizer.json."""
    files = _SPM.get(str(config.get("model_type")), {})
    if not files or (folder / TOKENIZER).is_file():
        return False
    return all((folder / name).is_file() for name in (_LISTED, *files.values()))


def counter(folder: Path) -> Callable[[str], int]:
    """Counts the tokens of texts, their end included; quickly, for an estimate."""
    sentencepiece = _sentencepiece()
    reader = sentencepiece.SentencePieceProcessor()
    reader.Load(str(folder / _SPM[_kind(folder)][TOKENIZER]))
    return lambda text: 1 + len(reader.encode(text))


def names(folder: Path) -> dict[str, int]:
    """The numbers of pieces that vocab.json has; CheckpointError where it is damaged."""
    return {str(name): int(number) for name, number in read_json(folder / _LISTED).items()}


def write(folder: Path, out: Path) -> list[str]:
    """Writes the tokenizers of a published folder into `out`, proven on many-script texts.

    Returns what is to be known of them, as sentences. Raises CheckpointError where they read or
    write otherwise than transformers does.
    """
    from edgekit.data import scripts  # langcodes, which a plan need not have

    theirs = _library(folder)
    numbers = _numbers(folder, theirs)
    made = _made(folder, theirs)
    texts, notes = list(scripts.texts()), list[str]()
    for file, ours in made.items():
        proto = _parse(folder / _SPM[_kind(folder)][file])
        gone = set(pieces.lost(proto, numbers))
        _refuse_difference(folder, ours, theirs, texts, target=file == TARGET, lost=gone)
        if gone:
            shown = ", ".join(map(repr, sorted(gone)[:3]))
            notes.append(
                f"{len(gone)} pieces of {_SPM[_kind(folder)][file]} (such as {shown}) are not in "
                f"{_LISTED}: transformers reads them as unknown, and edgekit reads their parts"
            )
        ours.save(str(out / file), pretty=False)
    _refuse_other_texts(folder, made[TOKENIZER], theirs, numbers)
    _write_settings(theirs, out)
    return notes


def _kind(folder: Path) -> str:
    return str(read_json(folder / "config.json")["model_type"])


def _library(folder: Path) -> Any:
    """transformers' own tokenizer of the folder."""
    _sentencepiece()
    told = folder / _BESIDE[0]
    if told.is_file() and read_json(told).get("separate_vocabs"):
        raise CheckpointError(
            f"{told}: this model numbers the pieces of its two languages apart "
            "('separate_vocabs'), and edgekit reads models with one list for both; take another."
        )
    from transformers import M2M100Tokenizer, MarianTokenizer
    from transformers import logging as library_logging

    kind = _kind(folder)
    loader: Any = {"marian": MarianTokenizer, "m2m_100": M2M100Tokenizer}[kind]
    verbosity = library_logging.get_verbosity()
    library_logging.set_verbosity(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as scratch:
        for name in (_LISTED, *_SPM[kind].values(), *_BESIDE):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, Path(scratch) / name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a package for punctuation, which it never uses
                found: Any = loader.from_pretrained(scratch, local_files_only=True)
        except Exception as error:  # any of transformers' own, with its own reasons
            why = " ".join(str(error).split())
            raise CheckpointError(
                f"{folder}: transformers cannot load this tokenizer ({type(error).__name__}: "
                f"{why:.200}); copy {_LISTED} and {', '.join(_SPM[kind].values())} again."
            ) from error
        finally:
            library_logging.set_verbosity(verbosity)
    return found


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ModuleNotFoundError as error:
        raise MissingExtra("sentencepiece", "compress") from error
    return sentencepiece


def _numbers(folder: Path, theirs: Any) -> Numbers:
    rows = int(read_json(folder / "config.json").get("vocab_size") or 0)
    added = {
        number: token
        for number, token in theirs.added_tokens_decoder.items()
        # Beyond the table are tokens of transformers' own making.
        if number < rows
    }
    ids = dict(theirs.encoder)
    for name, number in getattr(theirs, "lang_token_to_id", {}).items():
        if number < rows:
            ids.setdefault(name, number)
    return Numbers(ids, added, theirs.unk_token, theirs.eos_token)


def _parse(path: Path) -> Any:
    try:
        return pieces.parse(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(
            f"{path}: this is no file of sentencepiece ({error}); copy it again."
        ) from error


def _made(folder: Path, theirs: Any) -> dict[str, Tokenizer]:
    numbers, found = _numbers(folder, theirs), dict[str, Tokenizer]()
    for file, name in _SPM[_kind(folder)].items():
        try:
            found[file] = pieces.tokenizer(_parse(folder / name), numbers)
        except pieces.UnknownKind as error:
            raise CheckpointError(
                f"{folder / name}: {error}, which edgekit does not know; take another checkpoint."
            ) from error
    return found


def _refuse_difference(
    folder: Path,
    ours: Tokenizer,
    theirs: Any,
    texts: Sequence[str],
    *,
    target: bool,
    lost: set[str],
) -> None:
    """Texts with a lost piece are passed over: see pieces.lost."""
    if target:
        theirs._switch_to_target_mode()
    try:
        for text in texts:
            cut = theirs.tokenize(text)
            # Set around a text are tokens for the languages, and those of frames.py are these.
            wanted = [*theirs.convert_tokens_to_ids(cut), theirs.eos_token_id]
            found = ours.encode(text).ids
            if found != wanted and lost.isdisjoint(cut):
                raise CheckpointError(
                    f"{folder}: transformers reads {text[:60]!r} as {wanted[:12]}, and the "
                    f"tokenizer.json made of its files as {found[:12]}; take another checkpoint, "
                    "and tell edgekit's authors which this is."
                )
    finally:
        if target:
            theirs._switch_to_input_mode()


def _refuse_other_texts(folder: Path, ours: Tokenizer, theirs: Any, numbers: Numbers) -> None:
    generator, known = random.Random(0), sorted({*numbers.ids.values(), *numbers.added})
    for _ in range(DECODED):
        ids = generator.choices(known, k=generator.randint(1, 12))
        told = theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        found = ours.decode(ids, skip_special_tokens=True)
        if found.strip() != told.strip():
            raise CheckpointError(
                f"{folder}: transformers writes the ids {ids} as {told!r}, and the tokenizer.json "
                f"made of its files as {found!r}; take another checkpoint, and tell edgekit's "
                "authors which this is."
            )


def _write_settings(theirs: Any, out: Path) -> None:
    """tokenizer_config.json of a tokenizer.json that is read as it is."""
    named = ("bos_token", "eos_token", "pad_token", "unk_token")
    tokens = {name: str(one) for name in named if (one := getattr(theirs, name)) is not None}
    told = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": theirs.model_max_length,
        "clean_up_tokenization_spaces": False,
        **tokens,
    }
    (out / _BESIDE[0]).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

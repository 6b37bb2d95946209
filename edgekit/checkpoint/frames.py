"""The special tokens that name the languages of a translation, as a model's vocabulary has them.

Marian puts the target before the text (`>>fra<<`) where it knows several, and nothing where it
knows one; M2M100 and NLLB put the source before it (`__en__`, `eng_Latn`) and begin the translation
with the target. Runs no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import langcodes

from edgekit.artifact.specs import Frame
from edgekit.checkpoint.pieces import HIDDEN
from edgekit.checkpoint.weights import read_json
from edgekit.errors import CheckpointError
from edgekit.runtime.tokens import TOKENIZER, load_tokenizer
from edgekit.wording import directions
from edgekit.wording.suggestions import did_you_mean

TARGET = "target_tokenizer.json"
"""How a checkpoint's translations are cut into tokens, where that is not how its texts are."""
TRANSLATORS = ("m2m_100", "marian")
_INDIVIDUAL = {
    "ar": "arb", "az": "azj", "et": "est", "fa": "pes", "fil": "tgl", "ku": "kmr", "lv": "lvs",
    "mg": "plt", "mn": "khk", "ms": "zsm", "ne": "npi", "no": "nob", "om": "gaz", "or": "ory",
    "ps": "pbt", "qu": "quy", "sq": "als", "sw": "swh", "tl": "tgl", "uz": "uzn", "yi": "ydd",
}  # fmt: skip
"""ISO 639-3's code of the language that is meant where ISO 639-1's is that of a group."""


def of(folder: Path, names: Sequence[str]) -> dict[str, Frame]:
    """The tokens of each direction; CheckpointError for a language that the model does not know."""
    if not names:
        return {}
    ids = load_tokenizer(folder / TOKENIZER).get_vocab(with_added_tokens=True)
    return {name: one(folder, ids, name) for name in names}


def one(folder: Path, ids: Mapping[str, int], name: str) -> Frame:
    """The tokens of one direction, of those with these numbers."""
    source, target = _both(name)
    kind = read_json(folder / "config.json")["model_type"]
    told = folder / "tokenizer_config.json"
    settings: dict[str, Any] = read_json(told) if told.is_file() else {}
    named = settings.get("eos_token") or "</s>"
    end = ids[named["content"] if isinstance(named, Mapping) else named]
    if kind == "marian":
        before = (_id(folder, ids, target, marian=True),) if codes(ids) else ()
        return Frame(before, (end,), None)
    first, last = (_id(folder, ids, one, marian=False) for one in (source, target))
    if settings.get("legacy_behaviour"):
        return Frame((), (end, first), last)
    return Frame((first,), (end,), last)


def codes(ids: Mapping[str, int]) -> list[str]:
    """Marian's tokens for languages, as they are written before a text."""
    bare = (name.removeprefix(HIDDEN) for name in ids)
    return sorted(name for name in bare if name.startswith(">>") and name.endswith("<<"))


def refuse_targets(folder: Path, ids: Mapping[str, int], names: Sequence[str]) -> None:
    """Raises CheckpointError for several targets of a Marian that has no tokens to tell them."""
    targets = {target for _, target in map(_both, names)}
    if len(targets) > 1 and not codes(ids):
        raise CheckpointError(
            f"{folder}: this model has no tokens such as >>fra<< for its target, so it translates "
            f"into one language, and the recipe names {', '.join(sorted(targets))}; name the one."
        )


def target_file(folder: Path) -> Path:
    """The tokenizer of translations."""
    own = folder / TARGET
    return own if own.is_file() else folder / TOKENIZER


def _both(name: str) -> tuple[str, str]:
    found = directions.split(name)
    if found is None:
        raise ValueError(f"'{name}' is no direction")
    return found


def _id(folder: Path, ids: Mapping[str, int], language: str, *, marian: bool) -> int:
    for name in _names(language):
        written = f">>{name}<<" if marian else f"__{name}__"
        # Any other bare name, such as en, may be a piece of a word.
        bare = (name,) if not marian and _is_language(name) else ()
        for spelt in (written, HIDDEN + written, *bare):
            if spelt in ids:
                return ids[spelt]
    known = codes(ids) if marian else sorted(name for name in ids if _is_language(name))
    wanted = f">>{language}<<" if marian else language
    raise CheckpointError(
        f"{folder}: the vocabulary has no token for the language '{language}'"
        f"{f', of {len(known)} that it knows' if known else ''}.{did_you_mean(wanted, known)}"
    )


def _is_language(name: str) -> bool:
    return (name.startswith("__") and name.endswith("__")) or (len(name) == 8 and name[3:4] == "_")


def _names(language: str) -> Iterator[str]:
    """How vocabularies write a language: fr, fra, fra_Latn; pt_BR; for a group, one of it."""
    tag = langcodes.Language.get(language)
    base, script = str(tag.language), tag.maximize().script
    alpha3 = tag.to_alpha3()
    individual = _INDIVIDUAL.get(base, alpha3)
    yield language
    yield language.replace("-", "_")
    if language != base and tag.script is None:
        # pt-BR is Portuguese to a vocabulary that has one kind.
        yield base
    for one in (base, alpha3, individual):
        yield f"{one}_{script}"
    if tag.script is None or language == base:
        yield from (base, alpha3, individual)

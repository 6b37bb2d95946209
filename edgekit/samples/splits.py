"""Divides templates between training, validation and test set, and picks their sentences.

Whole templates are divided, never sentences: what is tested was never seen in any wording of the
same template. Knows templates and texts, but not files.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgekit.samples.intents import Template, fold

TRAIN, VALIDATION, TEST = "train", "validation", "test"

Pool = Mapping[Template, Sequence[str]]
"""Sentences of each template, all different within it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a set."""

    text: str
    label: str
    language: str
    group: str
    """The id of the template that the text was made from."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows one label of one language gives to a set."""

    rows: int
    rows_per_template: int


def without_contradictions(pool: Pool) -> dict[Template, list[str]]:
    """The pool without texts that templates of two labels, in any language, both produce."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for template, texts in pool.items():
        for text in texts:
            labels[fold(text)].add(template.intent)
    return {
        template: [text for text in texts if len(labels[fold(text)]) == 1]
        for template, texts in pool.items()
    }


def divide(templates: Iterable[Template], *, seed: int) -> dict[str, list[Template]]:
    """Puts every template in one set, each label of each language divided separately.

    A quarter goes to the test set and a tenth to validation, and at least one to each where there
    are enough: the training set comes first at one template, then the test set, then validation.
    """
    by_label: defaultdict[tuple[str, str], list[Template]] = defaultdict(list)
    for template in templates:
        by_label[template.language, template.intent].append(template)
    sets: dict[str, list[Template]] = {TRAIN: [], VALIDATION: [], TEST: []}
    for (language, intent), members in by_label.items():
        shuffled = sorted(members, key=lambda template: template.id)
        random.Random(f"{seed} {language} {intent}").shuffle(shuffled)
        count = len(shuffled)
        tests = max(1, round(count / 4)) if count >= 2 else 0
        validations = max(1, round(count / 10)) if count >= 4 else 0
        sets[TEST] += shuffled[:tests]
        sets[VALIDATION] += shuffled[tests : tests + validations]
        sets[TRAIN] += shuffled[tests + validations :]
    return sets


def pick(
    templates: Sequence[Template], pool: Pool, *, share: Share, taken: set[str]
) -> list[Example]:
    """Up to `share.rows` rows of each label and language, spread over its templates.

    Templates take turns, so that each gives as many rows as the next for as long as it can. Texts
    in `taken` are skipped, and every text picked is added to it.
    """
    picked: list[Example] = []
    count: Counter[tuple[str, str]] = Counter()
    for turn in range(share.rows_per_template):
        for template in templates:
            key = (template.language, template.intent)
            if count[key] == share.rows:
                continue
            text = _next_text(pool[template], turn, taken)
            if text is not None:
                count[key] += 1
                picked.append(Example(text, template.intent, template.language, template.id))
    return picked


def _next_text(texts: Sequence[str], turn: int, taken: set[str]) -> str | None:
    """The turn-th text, unless it is taken."""
    if turn >= len(texts) or fold(texts[turn]) in taken:
        return None
    taken.add(fold(texts[turn]))
    return texts[turn]

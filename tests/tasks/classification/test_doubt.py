"""When an artifact says that it doubts: what is chosen, measured and said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.data import declaration
from edgekit.data.rows import Row
from edgekit.job.job import Make, OutputJob
from edgekit.recipe.dataset import Dataset
from edgekit.runtime.scoring import LabelSet, OneLabel
from edgekit.store.store import Finished
from edgekit.tasks import quality
from edgekit.tasks.classification import familiar
from edgekit.tasks.classification.familiar import Familiar
from edgekit.tasks.classification.judged_in import unjudged
from edgekit.tasks.classification.proof import doubt
from tests.tasks.classification.test_familiar import commands
from tests.tasks.judgements import classified
from tests.tui.scripted import make_manifest

LABELS = ("heat", "light", "music")


@pytest.fixture
def job(tmp_path: Path) -> OutputJob:
    def run(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        record = make(tmp_path, lambda fraction: None)
        return Finished(name, "", tmp_path, False, record, {}, 0.0, 0)

    return OutputJob(tmp_path, "", (), "", "", 64, {}, run, "logits", languages=("en", "hi"))


def rows(seed: int, count: int, language: str = "en") -> tuple[Row, ...]:
    return tuple(
        Row(text, LABELS[place % 3], language) for place, text in enumerate(commands(seed, count))
    )


DATASET = Dataset(LABELS, rows(1, 300), rows(2, 200), rows(3, 400), (), {})


def logits_of(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of a model that is right the more often, the surer it is."""
    draw = np.random.default_rng(seed)
    found = []
    for some in (dataset.validation, dataset.test):
        truth = np.array([LABELS.index(str(row.label)) for row in some])
        sure = draw.uniform(0, 5, len(some))
        noise = draw.normal(size=(len(some), 3))
        found.append(np.eye(3)[truth] * sure[:, None] + noise)
    return found[0], found[1]


def test_validation_rows_choose_when_it_is_unsure_and_test_rows_say_how_well() -> None:
    validation, test = logits_of(DATASET, 1)
    found = doubt.unsure_below(DATASET, validation, test, OneLabel(), asked=None)
    below = found.model["abstain_below"]
    assert 0.3 < below < 1
    told = found.quality["unsure"]
    assert (told["below"], told["chosen_on"]) == (below, 200)
    assert told["right"] < 0.75 < told["right_of_others"]
    assert 0 < told["share"] < 0.5


@pytest.mark.parametrize("asked", [0.0, 0.6])
def test_what_the_recipe_asks_for_holds(asked: float) -> None:
    found = doubt.unsure_below(DATASET, *logits_of(DATASET, 1), OneLabel(), asked=asked)
    assert found.model == {"abstain_below": asked}
    assert ("unsure" in found.quality) is (asked > 0)
    assert found.quality.get("unsure", {}).get("chosen_on", 0) == 0


def test_labels_with_thresholds_of_their_own_need_no_other() -> None:
    sets = LabelSet((0.5, 0.5, 0.5))
    found = doubt.unsure_below(DATASET, *logits_of(DATASET, 1), sets, asked=None)
    assert found.model == {"abstain_below": 0.0}
    assert not found.quality


def test_texts_of_another_kind_are_found_in_every_language(job: OutputJob) -> None:
    found = doubt.like_nothing_taught(job, DATASET)
    foreign = found.quality["foreign"]
    assert set(foreign["by_language"]) == {"en", "hi"}
    assert foreign["by_language"]["hi"]["rows"] == len(declaration.paragraphs("hi"))
    assert foreign["said"]
    assert foreign["caught"] > 0.9
    assert foreign["false_alarms"] < 0.1
    check = familiar.opened(
        found.files[familiar.FILE].read_bytes(), found.model["familiar"]["least"]
    )
    texts = declaration.paragraphs("en")
    share = np.mean([check(text) is False for text in texts])
    assert foreign["by_language"]["en"]["caught"] == pytest.approx(share)


def test_where_it_tells_too_little_it_is_measured_and_not_said(job: OutputJob) -> None:
    diverse = tuple(Row(text, "heat", "en") for text in declaration.paragraphs("en"))
    taught = replace(DATASET, train=(*DATASET.train, *diverse, *_rows_of("hi")))
    found = doubt.like_nothing_taught(job, taught)
    assert not found.model
    assert not found.files
    foreign = found.quality["foreign"]
    assert not foreign["said"]
    assert foreign["caught"] < 0.25
    judged = quality.read("classification", {**classified(), **found.quality})
    assert judged is not None
    assert any("does not say whether a text looks" in line for line in judged.lines())


def _rows_of(language: str) -> tuple[Row, ...]:
    return tuple(Row(text, "heat", language) for text in declaration.paragraphs(language))


def test_rows_in_languages_that_were_not_taught_are_no_false_alarms(job: OutputJob) -> None:
    more = replace(DATASET, test=(*DATASET.test, *_rows_of("sw")))
    found = doubt.like_nothing_taught(job, more).quality["foreign"]
    assert found == doubt.like_nothing_taught(job, DATASET).quality["foreign"]


@pytest.mark.parametrize("few", [{"train": ()}, {"validation": DATASET.validation[:40]}])
def test_without_rows_to_learn_from_or_to_choose_on_nothing_is_measured(
    few: dict[str, Any], job: OutputJob
) -> None:
    found = doubt.like_nothing_taught(job, replace(DATASET, **few))
    assert (found.files, found.model, found.quality) == ({}, {}, {})


def test_pairs_are_told_from_pairs() -> None:
    pairs = doubt.foreign("en", pairs=True)
    texts = declaration.paragraphs("en")
    assert pairs[0] == (texts[0], texts[1])
    assert len(pairs) == len(texts) - 1
    check = Familiar(familiar.seen_in(pairs), {"others": 1.0})
    assert check(pairs[3]) is True


def test_the_card_says_both(job: OutputJob) -> None:
    unsure = doubt.unsure_below(DATASET, *logits_of(DATASET, 1), OneLabel(), asked=None)
    strange = doubt.like_nothing_taught(job, DATASET)
    found = quality.read("classification", {**classified(), **unsure.quality, **strange.quality})
    assert found is not None
    said = "\n".join(found.lines())
    assert "it says that it is not sure: of" in said
    assert "look like nothing it was taught, and of" in said
    section = next(one for one in found.sections if one.title == "When it doubts its answer")
    assert set(section.parts) == {"en", "hi", quality.ALL}
    older = quality.read("classification", classified())
    assert older is not None
    assert not [one for one in older.sections if one.title == section.title]


def test_a_text_in_a_language_that_was_not_judged_is_told() -> None:
    judged = {"artifact": {"by_language": {"en": {"rows": 9}, "pt-BR": {"rows": 9}}}}
    manifest = make_manifest(quality=judged)
    assert unjudged(manifest, declaration.paragraphs("hi")[4]) == "hi"
    assert unjudged(manifest, declaration.paragraphs("en")[4]) is None
    assert unjudged(manifest, declaration.paragraphs("pt")[4]) is None
    assert unjudged(manifest, "lamp") is None
    nothing = make_manifest()
    assert unjudged(nothing, declaration.paragraphs("hi")[4]) is None

"""Texts that look like those that were taught, and texts of another kind."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgekit
from edgekit.artifact import folder as artifacts
from edgekit.artifact.specs import OTHERS
from edgekit.data import declaration
from edgekit.errors import ArtifactError, IntegrityError
from edgekit.tasks.classification import familiar
from edgekit.tasks.classification.familiar import Familiar
from tests.tiny.artifact import fields, make_artifact

PLACES = ("kitchen", "hall", "bedroom", "garden", "cellar")
VERBS = ("turn on", "turn off", "dim", "brighten", "switch on", "switch off")
THINGS = ("lamp", "light", "heating", "radio", "fan", "oven")


def commands(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return [
        f"{draw.choice(VERBS)} the {draw.choice(THINGS)} in the {draw.choice(PLACES)}"
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def check() -> Familiar:
    found = familiar.fit(familiar.seen_in(commands(1, 300)), commands(2, 200))
    assert found is not None
    return found


def test_texts_of_another_kind_are_told_at_few_false_alarms(check: Familiar) -> None:
    own = [check(text) for text in commands(3, 400)]
    assert own.count(False) <= 0.1 * len(own)
    for language in ("en", "fr", "ar", "hi", "zh"):
        strange = [check(text) for text in declaration.paragraphs(language)]
        assert strange.count(False) >= 0.95 * sum(one is not None for one in strange), language


def test_no_more_of_the_rows_that_chose_it_are_unfamiliar_than_it_says(check: Familiar) -> None:
    own = [check(text) for text in commands(2, 200)]
    assert own.count(False) <= familiar.FALSE_ALARMS * len(own)


def test_of_a_few_letters_nothing_is_said(check: Familiar) -> None:
    assert check("ok") is None
    assert check("") is None
    assert check("  \n ") is None


def test_a_pair_is_looked_at_as_one() -> None:
    pairs = list(zip(commands(1, 600), commands(2, 600), strict=True))
    check = familiar.fit(
        familiar.seen_in(pairs), list(zip(commands(3, 99), commands(4, 99), strict=True))
    )
    assert check is not None
    assert check(pairs[0]) is True
    assert check((declaration.paragraphs("en")[2], declaration.paragraphs("en")[3])) is False


def test_each_script_has_a_threshold_of_its_own_if_there_are_rows_for_it() -> None:
    arabic = [f"شغل المصباح في الغرفة رقم {number}" for number in range(80)]
    taught = familiar.seen_in([*commands(1, 300), *arabic])
    found = familiar.fit(taught, [*commands(2, 200), *arabic])
    assert found is not None
    assert set(found.least) == {"latin", "arabic", OTHERS}
    assert found.least[OTHERS] == min(found.least["latin"], found.least["arabic"])
    few = familiar.fit(taught, [*commands(2, 200), *arabic[:10]])
    assert few is not None
    assert set(few.least) == {"latin", OTHERS}


def test_too_few_rows_choose_nothing() -> None:
    seen = familiar.seen_in(commands(1, 300))
    assert familiar.fit(seen, commands(2, familiar.FEWEST_ROWS - 1)) is None
    assert familiar.fit(seen, ["ok"] * 100) is None


@given(text=st.text(max_size=60))
def test_what_was_taught_is_known_whole_in_any_case_and_spacing(text: str) -> None:
    known = Familiar(familiar.seen_in([text]), {OTHERS: 1.0})
    for form in (text, f"  {text}\n"):
        assert known(form) in (True, None)
    assert known.share(text) in (1.0, None)


def test_the_bits_are_the_same_everywhere() -> None:
    places = np.flatnonzero(np.unpackbits(familiar.seen_in(["été 灯"]), bitorder="little"))
    assert places.tolist() == BITS_OF_A_TEXT, "count VERSION up: artifacts were made with others"


BITS_OF_A_TEXT = [
    57297,
    128121,
    155520,
    155952,
    234338,
    294309,
    450466,
    491268,
    688672,
    756092,
    971034,
    989030,
]


def spoken(
    folder: Path, *, quality: object = None, abstain_below: float = 0.0, **changes: object
) -> Path:
    """An artifact that knows commands; `changes` are of what its manifest says of that."""
    folder.parent.mkdir(exist_ok=True)
    made = make_artifact(folder)
    (made / "manifest.json").unlink()
    (made / familiar.FILE).write_bytes(familiar.seen_in(commands(1, 300)).tobytes())
    spec = {"least": {"latin": 0.8, OTHERS: 0.8}, "version": familiar.VERSION, "rows": 200}
    model = fields(abstain_below=abstain_below)["model"]
    model["familiar"] = {**spec, **changes}
    artifacts.write(made, fields(model=model, quality=quality or {}))
    return made


@pytest.mark.parametrize("isolate", [False, True])
def test_an_answer_says_whether_its_text_is_familiar(tmp_path: Path, isolate: bool) -> None:
    with edgekit.load(spoken(tmp_path / "own"), isolate=isolate) as model:
        assert model.classify("turn on the lamp in the hall").familiar is True
        assert model.classify("all human beings are born free").familiar is False
        assert model.classify("lamp").as_json()["familiar"] is None


def test_of_an_artifact_that_does_not_know_nothing_is_said(
    tiny_artifact: Path, tmp_path: Path
) -> None:
    for folder in (tiny_artifact, spoken(tmp_path / "later", version=familiar.VERSION + 1)):
        with edgekit.load(folder) as model:
            assert model.classify("all human beings are born free").familiar is None


def test_a_file_that_was_changed_or_is_too_short_is_refused(tmp_path: Path) -> None:
    folder = spoken(tmp_path / "own")
    path = folder / familiar.FILE
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    with pytest.raises(IntegrityError, match="familiar"):
        edgekit.load(folder)
    with pytest.raises(ArtifactError, match="not as long"):
        familiar.opened(b"short", {OTHERS: 0.5})


@pytest.mark.parametrize("least", [{}, {"latin": 0.5}, {OTHERS: 1.5}, {OTHERS: "much"}])
def test_a_manifest_with_other_thresholds_is_refused(tmp_path: Path, least: object) -> None:
    with pytest.raises(ArtifactError, match="familiar"):
        spoken(tmp_path / "own", least=least)

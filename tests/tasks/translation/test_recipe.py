from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.build import plan
from edgekit.errors import CheckpointError, DataError, RecipeError
from edgekit.recipe import recipe
from tests.tiny import translator as tiny


@pytest.fixture
def path(tmp_path: Path, marian: Path) -> Path:
    return tiny.make_project(tmp_path / "project", marian, count=30)


def read(path: Path, *changes: str) -> tuple[str, ...]:
    return recipe.read(path, changes=list(changes)).recipe.directions


def test_languages_are_directions_from_each_into_every_other(path: Path) -> None:
    assert read(path) == ("en→fr", "en→sw")
    both = "languages={from: [English, fr], to: [fr, en, pt_br]}"
    assert read(path, both) == ("en→fr", "en→pt-BR", "fr→en", "fr→pt-BR")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("languages=[en, fr]", r"are \{from: \[en\], to: \[fr, sw\]\}; write them so"),
        ("languages={from: [en]}", "no list of languages under 'to'"),
        ("languages={from: [en], to: [fr], via: [sw]}", "has no key 'via'"),
        ("languages={from: [en], to: [en]}", "languages"),
        ("languages={from: [en], to: [french 1]}", "languages"),
        ("words=9", "belongs to summarization"),
        ("must={metric: rouge1, keep: 0.5}", "translation has chrf"),
    ],
)
def test_what_is_wrong_with_them_is_said(path: Path, change: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read(path, change)


def test_other_tasks_have_no_directions(path: Path) -> None:
    with pytest.raises(RecipeError, match="a list such as"):
        read(path, "task=summarization", "must={}")


def test_a_language_that_the_model_does_not_know_is_refused_before_anything_runs(
    path: Path,
) -> None:
    wrong = "languages={from: [en], to: [fr, de]}"
    with pytest.raises(CheckpointError, match="no token for the language 'de'"):
        plan.make(recipe.read(path, changes=[wrong]))


def test_rows_say_their_languages(path: Path) -> None:
    data = path.parent / "data" / "train.jsonl"
    data.write_text('{"source": "a", "target": "b", "from": "en", "to": "de"}\n')
    with pytest.raises(DataError, match=r"train\.jsonl:1: this row has en→de"):
        plan.make(recipe.read(path))
    data.write_text('{"source": "a", "target": "b", "to": "fr"}\n')
    with pytest.raises(DataError, match="'to' is filled and 'from' is not"):
        plan.make(recipe.read(path))
    data.write_text('{"source": "a", "target": "b"}\n')
    with pytest.raises(DataError, match="has no languages"):
        plan.make(recipe.read(path))


def test_a_model_that_does_not_translate_is_refused(
    path: Path, tiny_writers: dict[str, Path]
) -> None:
    with pytest.raises(RecipeError, match="is a t5 model"):
        plan.make(recipe.read(path, changes=[f"model={tiny_writers['t5']}"]))

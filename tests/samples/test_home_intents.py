from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml

from edgekit import samples
from edgekit.errors import MissingExtra, SampleError
from edgekit.samples import home_intents, intents, packages
from edgekit.samples.intents import fold
from edgekit.samples.splits import Example
from edgekit.system import paths


def read_rows(path: Path) -> list[Example]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [Example(row["text"], row["label"], row["language"], row["group"]) for row in rows]


def check_sets(sets: dict[str, list[Example]]) -> None:
    """What must hold for any sets: nothing shared, one label a text."""
    groups: defaultdict[str, set[str]] = defaultdict(set)
    texts: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for name, rows in sets.items():
        for row in rows:
            groups[row.group].add(name)
            texts[fold(row.text)].add((name, row.label))
    assert {len(where) for where in groups.values()} == {1}
    assert {len(where) for where in texts.values()} == {1}


def test_the_sample_is_made_whole_from_the_cached_packages(
    tiny_packages: Path, tmp_path: Path
) -> None:
    told: list[tuple[str, float]] = []
    folder = samples.make(
        "home-intents", tmp_path / "home", on_progress=lambda what, part: told.append((what, part))
    )
    sets = {
        name: read_rows(folder / "data" / f"{name}.csv") for name in ("train", "validation", "test")
    }
    check_sets(sets)
    trained, unseen = set(home_intents.LANGUAGES), set(home_intents.ZERO_SHOT)
    assert {row.language for row in sets["train"]} == trained
    assert {row.language for row in sets["validation"]} == trained
    assert {row.language for row in sets["test"]} == trained | unseen
    assert {row.label for row in sets["train"]} == {"HassTurnOn", "HassTurnOff"}
    assert (folder / "encoder" / "model.safetensors").is_file()
    assert (folder / "data" / "LICENSE").read_bytes() == b"Apache License 2.0"
    shipped = (paths.recipes_dir() / "home-intents.yaml").read_bytes()
    assert (folder / "recipe.yaml").read_bytes() == shipped
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert told[-1] == ("done", 1.0)


def test_two_makings_are_equal_byte_for_byte(tiny_packages: Path, tmp_path: Path) -> None:
    first = home_intents.make(tmp_path / "first")
    second = home_intents.make(tmp_path / "second")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    for name in files:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_recipe_speaks_of_the_files_and_languages_of_the_sample(
    tiny_packages: Path, tmp_path: Path
) -> None:
    folder = home_intents.make(tmp_path / "home")
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["languages"] == list(home_intents.LANGUAGES)
    assert recipe["must"] == {"metric": "macro_f1", "keep": 0.99, "worst_language": 0.95}
    for path in (recipe["model"], *recipe["data"].values()):
        assert (folder / path).exists(), path


def test_locks_are_not_among_what_is_turned_on_or_off() -> None:
    lock = intents.Template("en/HassTurnOn/1", "en", "HassTurnOn", "lock {name}", ("lock",))
    cover = intents.Template("en/HassTurnOn/2", "en", "HassTurnOn", "open {name}", ("cover",))
    assert home_intents._turns_a_lock(lock)
    assert not home_intents._turns_a_lock(cover)


def test_no_intent_is_both_used_and_left_out() -> None:
    assert not set(home_intents.INTENTS) & set(home_intents.LEFT_OUT)
    assert len(set(home_intents.INTENTS)) == len(home_intents.INTENTS)


def test_an_unknown_sample_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="Did you mean 'home-intents'"):
        samples.make("home-intent", tmp_path)


def test_a_missing_package_is_told_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(samples.SAMPLES, "home-intents", "edgekit_missing.module:make")
    with pytest.raises(MissingExtra, match=r"edgekit\[compress\]"):
        samples.make("home-intents", tmp_path)


@pytest.mark.slow
def test_the_real_sample_has_the_rows_it_promises(cache: Path) -> None:
    """Downloads the real templates."""
    wheel = packages.fetch(intents.TEMPLATES)
    sets = home_intents.make_sets(wheel)
    check_sets(sets)
    rows = Counter(row.language for row in sets["test"])
    assert set(rows) == {*home_intents.LANGUAGES, *home_intents.ZERO_SHOT}
    assert min(rows.values()) >= 600
    for name in ("train", "test"):
        found = {
            (row.language, row.label)
            for row in sets[name]
            if row.language in home_intents.LANGUAGES
        }
        assert len(found) == len(home_intents.LANGUAGES) * len(home_intents.INTENTS), name
    for row in (row for rows in sets.values() for row in rows):
        assert not set("{}<>[]|()") & set(row.text), row

"""Descriptions as apt lists them become pairs in sets that share no package."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch

from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.models import load_seq2seq
from edgekit.errors import SampleError
from edgekit.recipe import recipe
from edgekit.samples import descriptions, package_summaries, summarizer_model
from edgekit.samples.descriptions import Description

STANZAS = """\
Package: tool
Description-md5: 0123
Description-pt_BR: ferramenta para listas
 A primeira linha continua
 na segunda.
 .
 Outro parágrafo:
  - um
  - dois

Package: empty
Description-md5: 4567
Description-pt_BR: sem texto

"""
WORDS = ["reads", "writes", "lists", "files", "sounds", "pictures", "letters", "numbers", "a disk"]


def made(languages: int, packages: int) -> list[Description]:
    return [
        Description(
            f"package-{number}",
            package_summaries.LANGUAGES[language],
            f"a tool with the number {number}",
            f"{language} {number} " + " ".join(WORDS[(number + at) % 9] for at in range(45)),
        )
        for language in range(languages)
        for number in range(packages)
    ]


def test_a_stanza_is_read_with_its_paragraphs_and_lines() -> None:
    (found,) = descriptions.parse(STANZAS, "pt-BR")
    assert found.package == "tool"
    assert found.short == "ferramenta para listas"
    assert found.long == "A primeira linha continua na segunda.\nOutro parágrafo:\n- um\n- dois"


@pytest.mark.parametrize("name", ["Translation-pt_BR", "Translation-pt%5fBR"])
def test_a_package_is_read_once_from_all_lists(tmp_path: Path, name: str) -> None:
    for origin in ("a", "b"):
        (tmp_path / f"{origin}_main_i18n_{name}").write_text(STANZAS, encoding="utf-8")
    found = list(descriptions.read(sorted(tmp_path.iterdir())))
    assert [(row.package, row.language) for row in found] == [("tool", "pt-BR")]


def test_no_package_is_in_two_sets_and_every_language_is_tested() -> None:
    sets = package_summaries.make_sets(made(8, 400))
    packages = {name: {row.package for row in rows} for name, rows in sets.items()}
    assert not packages["test"] & packages["train"]
    assert not packages["validation"] & (packages["train"] | packages["test"])
    assert len({row.language for row in sets["test"]}) == 8
    assert package_summaries.make_sets(made(8, 400)) == sets


def test_near_copies_and_untranslated_descriptions_are_left_out() -> None:
    rows = made(8, 400)
    english = next(row for row in rows if row.language == "en")
    copies = [
        Description("package-x", "en", english.short, english.long + " and more"),
        Description(english.package, "uk", english.short, english.long),
    ]
    sets = package_summaries.make_sets([*rows, *copies])
    assert sum(map(len, sets.values())) <= len(rows)
    assert not [row for part in sets.values() for row in part if row in copies]


def test_too_few_languages_are_refused() -> None:
    with pytest.raises(SampleError, match="in 7 languages"):
        package_summaries.make_sets(made(7, 400))


def test_without_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SampleError, match="no apt-get"):
        package_summaries.make(tmp_path / "sample")
    assert not (tmp_path / "sample" / "data").exists()


def test_a_failing_apt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    (bin_folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    with pytest.raises(SampleError, match="no network"):
        descriptions.fetch(tmp_path / "private", ["en"])


def test_its_recipes_are_shipped_and_the_second_starts_from_what_the_first_leaves() -> None:
    shipped = recipe.shipped()
    first, second = (recipe.read(shipped[name]) for name in package_summaries.RECIPES.values())
    assert second.recipe.model.base == "./out/teacher"
    assert second.recipe.languages == first.recipe.languages
    assert tuple(first.recipe.languages) == package_summaries.LANGUAGES
    assert second.recipe.data == first.recipe.data


def test_its_model_reads_and_writes(tmp_path: Path) -> None:
    texts = [row.long for row in made(2, 40)]
    summarizer_model.make(tmp_path / "model", texts, pieces=120, seed=7)
    found = describe(tmp_path / "model")
    assert (found.model_type, found.layers, found.decoder_layers) == ("t5", 4, 3)
    assert found.max_tokens == summarizer_model.WINDOW
    generation = json.loads((tmp_path / "model" / "generation_config.json").read_text())
    assert generation["num_beams"] == 2


def test_its_model_goes_on_where_the_text_does(tmp_path: Path) -> None:
    texts = [row.long for row in made(2, 40)]
    summarizer_model.make(tmp_path / "model", texts, pieces=120, seed=7)
    model = load_seq2seq(tmp_path / "model").eval()
    pieces = random.Random(5).sample(range(3, model.config.vocab_size), 15)
    for place, piece in enumerate(pieces[:-1]):
        with torch.inference_mode():
            written = torch.tensor([[0, piece]])
            logits = model(input_ids=torch.tensor([pieces]), decoder_input_ids=written).logits
        assert logits[0, -1].argmax() == pieces[place + 1]

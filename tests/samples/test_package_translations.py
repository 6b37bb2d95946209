"""Descriptions as apt lists them become translations in sets that share no package and no text."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from transformers import MarianTokenizer

import edgekit
from edgekit.build import plan
from edgekit.build.build import compress
from edgekit.checkpoint.describe import describe
from edgekit.errors import SampleError
from edgekit.recipe import recipe
from edgekit.samples import package_translations, translator_model
from edgekit.samples.descriptions import Description
from edgekit.samples.package_translations import TARGETS, Pair

WORDS = {
    "en": (
        "reads",
        "writes",
        "lists",
        "files",
        "sounds",
        "pictures",
        "letters",
        "numbers",
        "disks",
        "tools",
    ),
    "de": (
        "liest",
        "schreibt",
        "listet",
        "Dateien",
        "Töne",
        "Bilder",
        "Briefe",
        "Zahlen",
        "Platten",
        "Werkzeuge",
    ),
    "fr": (
        "lit",
        "écrit",
        "liste",
        "fichiers",
        "sons",
        "images",
        "lettres",
        "nombres",
        "disques",
        "outils",
    ),
    "es": (
        "lee",
        "escribe",
        "lista",
        "archivos",
        "sonidos",
        "imágenes",
        "cartas",
        "números",
        "discos",
        "útiles",
    ),
}


FEW = 9
"""Rows that choose, and that judge: what has learnt nothing writes on to the last token."""


def made(packages: int, *, languages: tuple[str, ...] = tuple(WORDS)) -> list[Description]:
    generator, found = random.Random(3), []
    for number in range(packages):
        chosen = [generator.choices(range(10), k=4) for _ in range(3)]
        for language in languages:
            lines = [" ".join(WORDS[language][at] for at in line) + f" {number}" for line in chosen]
            found.append(Description(f"package-{number}", language, lines[0], "\n".join(lines[1:])))
    return found


def test_lines_stand_beside_lines_and_no_text_is_in_two_sets() -> None:
    sets = package_translations.make_sets(made(500))
    assert set(sets) == {"test", "validation", "train"}
    assert all({pair.to for pair in rows} == set(TARGETS) for rows in sets.values())
    for part in (lambda pair: pair.package, lambda pair: pair.source):
        seen = [{part(pair) for pair in rows} for rows in sets.values()]
        assert sum(map(len, seen)) == len(set.union(*seen))
    pair = sets["train"][0]
    words = [WORDS["en"].index(word) for word in pair.source.split()[:-1]]
    assert pair.target.split()[:-1] == [WORDS[pair.to][at] for at in words]
    assert package_translations.make_sets(made(500)) == sets


def test_what_is_no_translation_is_left_out() -> None:
    rows = made(500)
    odd = [
        Description("package-x", "en", "a tool that nobody translated", "One.\nTwo paragraphs."),
        Description(
            "package-x", "de", "A tool that nobody translated", "Beides ist hier ein Absatz."
        ),
        Description("package-y", "en", "much longer than its translation is" * 3, "Short."),
        Description("package-y", "fr", "sa traduction est courte", "Court."),
        Description("package-z", "es", "lo que no hay en el otro lado", "Nada."),
    ]
    assert package_translations.make_sets([*rows, *odd]) == package_translations.make_sets(rows)


def test_a_language_with_too_few_is_named() -> None:
    with pytest.raises(SampleError, match="has 0 translations into 'es' here"):
        package_translations.make_sets(made(500, languages=("en", "de", "fr")))


def test_without_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SampleError, match="no apt-get"):
        package_translations.make(tmp_path / "sample")
    assert not (tmp_path / "sample" / "data").exists()


def test_its_recipes_are_shipped_and_the_second_starts_from_what_the_first_leaves() -> None:
    shipped = recipe.shipped()
    names = package_translations.RECIPES.values()
    first, second = (recipe.read(shipped[name]) for name in names)
    assert second.recipe.model.base == "./out/teacher"
    assert second.recipe.directions == first.recipe.directions
    assert first.recipe.directions == tuple(f"en→{one}" for one in TARGETS)
    assert second.recipe.data == first.recipe.data


def make_project(folder: Path, rows: int) -> Path:
    """What the sample leaves, of fewer rows and pieces; returns the recipe's folder."""
    sets = package_translations.make_sets(made(500))
    for name, one in sets.items():
        del one[rows if name == "train" else FEW :]
    package_translations._write_data(folder / "data", sets)
    learnt: list[Pair] = sets["train"]
    translator_model.make(
        folder / "model",
        (pair.source for pair in learnt),
        (pair.target for pair in learnt),
        source="en",
        codes=TARGETS,
        pieces=60,
        seed=7,
    )
    settings = folder / "model" / "generation_config.json"
    told = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps({**told, "max_length": 8}), encoding="utf-8")
    for file, name in package_translations.RECIPES.items():
        shutil.copyfile(recipe.shipped()[name], folder / file)
    return folder


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_its_model_is_a_marian_as_it_is_published(tmp_path: Path) -> None:
    model = make_project(tmp_path / "sample", 64) / "model"
    assert not (model / "tokenizer.json").exists()
    found = describe(model)
    assert (found.model_type, found.layers, found.decoder_layers) == ("marian", 4, 3)
    assert found.max_tokens == translator_model.WINDOW
    tokenizer = MarianTokenizer.from_pretrained(model)
    ids = tokenizer(">>fra<< reads files")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[0] == ">>fra<<"
    assert json.loads((model / "generation_config.json").read_text())["num_beams"] == 2


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_both_recipes_run_after_two_updates(tmp_path: Path) -> None:
    """What it translates is as good as chance; everything from data to answer is there."""
    project = make_project(tmp_path / "sample", 64)
    first = recipe.read(project / "recipe.yaml", changes=["must={}", "steps.0.finetune.epochs=1"])
    [artifact] = compress(plan.make(first)).artifacts
    with edgekit.load(artifact.path) as model:
        assert model.translate("reads files", to="fr").parts == 1
    changes = ["must={}", "steps.0.trim_vocab.most_tokens_rise=9", "steps.1.distill.epochs=1"]
    second = recipe.read(project / "small.yaml", changes=changes)
    [small] = compress(plan.make(second)).artifacts
    assert [step["step"] for step in small.manifest["steps"]] == ["trim_vocab", "distill", "onnx"]
    assert small.manifest["quality"]["by_language"].keys() == {f"en→{one}" for one in TARGETS}

    def size(path: Path) -> int:
        return sum((path / name).stat().st_size for name in ("encoder.onnx", "decoder.onnx"))

    assert size(small.path) < size(artifact.path)

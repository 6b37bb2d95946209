from __future__ import annotations

from pathlib import Path

import pytest

from edgekit import tables
from edgekit.errors import RecipeError
from edgekit.recipe import recipe
from edgekit.recipe import schema as recipe_schema
from tests.tiny import encoder as tiny

GOOD = tiny.RECIPE


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_bound_to_its_steps_and_outputs(tmp_path: Path) -> None:
    bound = recipe.read(write(tmp_path, GOOD))
    assert [entry.name for entry in bound.steps] == ["finetune"]
    assert bound.steps[0].settings.epochs == 8  # type: ignore[attr-defined]
    assert bound.outputs[0].settings.quantize == "int8"  # type: ignore[attr-defined]
    assert bound.resolve("data/train.csv") == tmp_path / "data" / "train.csv"
    assert bound.recipe.languages == ["en", "fr", "ar"]


BAD = {
    "unknown key": (
        "seed: 7",
        "sede: 7",
        "recipe.yaml:15: the recipe has no key 'sede'. Did you mean 'seed'?",
    ),
    "unknown inner key": (
        "train:",
        "trian:",
        "recipe.yaml:7: the recipe has no key 'trian'. Did you mean 'train'?",
    ),
    "unknown step": (
        "finetune:",
        "fintune:",
        "recipe.yaml:12: there is no step 'fintune'. Did you mean 'finetune'?",
    ),
    "unknown setting": (
        "epochs: 8",
        "epoch: 8",
        "recipe.yaml:12: step 1 (finetune) has no key 'epoch'. Did you mean 'epochs'?",
    ),
    "setting's type": (
        "epochs: 8",
        "epochs: many",
        "recipe.yaml:12: step 1 (finetune) 'epochs' cannot be 'many'",
    ),
    "setting's range": (
        "epochs: 8",
        "epochs: 0",
        "recipe.yaml:12: step 1 (finetune) 'epochs' cannot be 0",
    ),
    "unknown format": (
        "onnx:",
        "omnx:",
        "recipe.yaml:14: there is no output 'omnx'. Did you mean 'onnx'?",
    ),
    "unknown scheme": (
        "int8",
        "int9",
        "recipe.yaml:14: output 1 (onnx) 'quantize' cannot be 'int9'",
    ),
    "version": ("version: 1", "version: 2", "recipe.yaml:1: 'version' cannot be 2"),
    "wrong type": ("[en, fr, ar]", "en", "recipe.yaml:4: 'languages' cannot be 'en'"),
    "language twice": (
        "[en, fr, ar]",
        "[en, fr, en]",
        "recipe.yaml:4: 'languages' names a language twice",
    ),
    "no language": ("[en, fr, ar]", "[]", "recipe.yaml:4: 'languages'"),
    "boolean language": ("[en, fr, ar]", "[true]", "'languages.0' cannot be True"),
    "name": ("name: tiny", "name: ../tiny", "recipe.yaml:2: 'name' cannot be '../tiny'"),
    "fraction": ("keep: 0.5", "keep: 50", "recipe.yaml:10: 'must.keep' cannot be 50"),
    "not a number": ("keep: 0.5", "keep: .nan", "'must.keep' cannot be '.nan'"),
    "no test set": ("  test: data/test.csv\n", "", "'must' asks for proof"),
    "two keys in a step": (
        "  - finetune: {",
        "  - other: {}\n    finetune: {",
        "step 1 has 2 keys",
    ),
    "step without a name": ("  - finetune: {", "  - {", "step 1 has 4 keys"),
    "adapter": (
        "model: ./encoder",
        "model: {bass: ./encoder}",
        "the key 'base' is missing in 'model'",
    ),
}


@pytest.mark.parametrize(("old", "new", "sentence"), BAD.values(), ids=BAD.keys())
def test_one_sentence_names_place_fault_and_remedy(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError) as caught:
        recipe.read(write(tmp_path, GOOD.replace(old, new, 1)))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the key 'outputs' is missing; add it"):
        recipe.read(write(tmp_path, GOOD.split("outputs:")[0]))


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="does not exist"):
        recipe.read(tmp_path / "nothing.yaml")
    with pytest.raises(RecipeError, match="is a folder"):
        recipe.read(tmp_path)
    with pytest.raises(RecipeError, match="a recipe is a mapping"):
        recipe.read(write(tmp_path, "- a\n- b\n"))


@pytest.mark.parametrize(
    ("change", "look", "value"),
    [
        ("seed=3", lambda b: b.recipe.seed, 3),
        ("steps.0.finetune.epochs=1", lambda b: b.steps[0].settings.epochs, 1),
        ("outputs.0.onnx.quantize=none", lambda b: b.outputs[0].settings.quantize, "none"),
        ("target.size=30MB", lambda b: b.recipe.target.size, 30_000_000),
        ("target.latency_p95=20ms", lambda b: b.recipe.target.latency_p95, 0.02),
        ("languages=[en, fr]", lambda b: b.recipe.languages, ["en", "fr"]),
        ("prefix='query: '", lambda b: b.recipe.prefix, "query: "),
    ],
)
def test_set_changes_one_value(tmp_path: Path, change: str, look, value: object) -> None:  # type: ignore[no-untyped-def]
    assert look(recipe.read(write(tmp_path, GOOD), changes=[change])) == value


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("seed", "--set seed: write it as key=value"),
        ("steps.5.finetune.epochs=1", "--set steps.5.finetune.epochs=1: '5' is not a place"),
        ("steps.0.finetun.epochs=1", "no key 'finetun' there. Did you mean 'finetune'?"),
        ("steps.0.finetune.epoch=1", "has no key 'epoch'. Did you mean 'epochs'?"),
        ("seed=!!python/name:os", "the tag"),
        ("target.size=-3", "'target.size' cannot be -3"),
    ],
)
def test_a_change_that_fits_nowhere_is_told(tmp_path: Path, change: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.read(write(tmp_path, GOOD), changes=[change])
    assert sentence in str(caught.value)


def test_extends_lays_a_recipe_over_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "base.yaml").write_text(GOOD, encoding="utf-8")
    (shipped / "twice.yaml").write_text("version: 1\nextends: builtin/base\n", encoding="utf-8")
    monkeypatch.setattr(recipe.paths, "recipes_dir", lambda: shipped)
    own = "version: 1\nname: own\nextends: builtin/base\ndata: {test: other.csv}\nsteps: []\n"
    bound = recipe.read(write(tmp_path, own))
    assert bound.recipe.name == "own"
    assert bound.recipe.data.test == ["other.csv"]
    assert bound.recipe.data.train == ["data/train.csv"]
    assert bound.steps == ()
    for name, sentence in (
        ("builtin/bas", "Did you mean 'builtin/base'"),
        ("builtin/twice", "one level"),
    ):
        with pytest.raises(RecipeError, match=sentence):
            recipe.read(write(tmp_path, own.replace("builtin/base", name)))


def test_the_schema_knows_every_step_and_its_settings() -> None:
    schema = recipe_schema.schema()
    steps = schema["properties"]["steps"]["items"]["oneOf"]
    assert {next(iter(step["properties"])) for step in steps} == set(tables.STEPS)
    finetune = schema["$defs"]["steps.classification.finetune"]
    assert finetune["additionalProperties"] is False
    assert "Passes over" in finetune["properties"]["epochs"]["description"]
    pruned = [schema["$defs"][f"steps.{task}.prune"] for task in ("classification", "chat")]
    assert ["heads" in one["properties"] for one in pruned] == [True, False]

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.build import plan
from edgekit.data import corrected
from edgekit.errors import CheckpointError, DataError, EdgekitError, RecipeError
from edgekit.job.plan import Plan
from edgekit.recipe import dataset as data
from edgekit.recipe import recipe
from edgekit.tasks.classification.proof import judge as classification
from edgekit.tasks.classification.proof import linear
from tests.tiny import encoder as tiny


def make(project: Path, **settings: object) -> Plan:
    return plan.make(recipe.read(project / "recipe.yaml"), **settings)  # type: ignore[arg-type]


def replace(project: Path, name: str, old: str, new: str) -> None:
    path = project / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def prune_by_magnitude_with_unlabeled_texts(project: Path) -> None:
    step = "  - prune: {ffn: 0.5, method: magnitude}\n"
    replace(project, "recipe.yaml", "outputs:", f"{step}outputs:")
    replace(project, "recipe.yaml", "data:\n", "data:\n  unlabeled: data/*.txt\n")


def test_a_plan_knows_every_piece_of_work_and_writes_nothing(project: Path) -> None:
    before = sorted(project.rglob("*"))
    made = make(project)
    assert [step.name for step in made.steps] == ["checkpoint", "finetune", "teacher", "onnx"]
    assert all(step.cost.seconds >= 0 and step.cost.peak_bytes > 0 for step in made.steps)
    assert made.out == project / "out"
    assert made.dataset.labels == tiny.LABELS
    facts = made.as_json()
    assert facts["fits"] is True
    assert facts["why"] is None
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("outputs", [["int8"], ["int8", "none"]])
def test_the_linear_model_is_counted_once_under_the_outputs(
    project: Path, monkeypatch: pytest.MonkeyPatch, outputs: list[str]
) -> None:
    told = "".join(f"  - onnx: {{quantize: {one}}}\n" for one in outputs)
    replace(project, "recipe.yaml", "  - onnx: {quantize: int8}\n", told)

    def seconds() -> float:
        return sum(step.cost.seconds for step in make(project).steps[-len(outputs) :])

    before = seconds()
    monkeypatch.setattr(linear, "_IMPORT_SECONDS", linear._IMPORT_SECONDS + 1000)
    assert seconds() == pytest.approx(before + 1000)


def drop_file(project: Path) -> None:
    (project / "data" / "test.csv").unlink()


def leak(project: Path) -> None:
    test = project / "data" / "test.csv"
    line = test.read_text(encoding="utf-8").splitlines()[1].upper()
    with (project / "data" / "train.csv").open("a", encoding="utf-8") as stream:
        stream.write(line.split(",")[0] + " ,heat,en,x\n")


BAD: dict[str, tuple[Callable[[Path], object], type[EdgekitError], str]] = {
    "missing file": (drop_file, DataError, "recipe.yaml:9: data.test names data/test.csv, which"),
    "missing folder": (
        lambda p: replace(p, "recipe.yaml", "./encoder", "./encodr"),
        CheckpointError,
        "is no folder",
    ),
    "missing column": (
        lambda p: replace(p, "data/train.csv", "text,label", "text,lable"),
        DataError,
        "'label'",
    ),
    "unknown label": (
        lambda p: replace(p, "data/test.csv", ",heat,", ",heet,"),
        DataError,
        "carry the label 'heet', which the model does not know. Did you mean 'heat'?",
    ),
    "test rows in training": (leak, DataError, "are also in data.train"),
    "a language without test rows": (
        lambda p: replace(p, "recipe.yaml", "[en, fr, ar]", "[en, fr, ar, sw]"),
        RecipeError,
        "no row of data.test is in 'sw'",
    ),
    "no step trains a head": (
        lambda p: replace(p, "recipe.yaml", "steps:\n  - finetune:", "steps: []\n#"),
        RecipeError,
        "has no classification head, and no step trains one; add the step finetune",
    ),
    "nothing to train on": (
        lambda p: replace(p, "recipe.yaml", "  train: data/train.csv\n", ""),
        DataError,
        "does not know",
    ),
    "a window that the model does not have": (
        lambda p: replace(p, "recipe.yaml", "seed: 7", "max_tokens: 4096"),
        RecipeError,
        "max_tokens is 4096, and the model reads at most 64",
    ),
    "texts that no step reads": (
        lambda p: replace(p, "recipe.yaml", "data:\n", "data:\n  unlabeled: data/*.txt\n"),
        RecipeError,
        "recipe.yaml:7: no step of this recipe reads data.unlabeled; remove it",
    ),
    "texts that a step so set does not read": (
        prune_by_magnitude_with_unlabeled_texts,
        RecipeError,
        "recipe.yaml:7: no step of this recipe reads data.unlabeled; remove it",
    ),
    "two outputs of one name": (
        lambda p: replace(p, "recipe.yaml", "seed: 7", "  - onnx: {quantize: int8}"),
        RecipeError,
        "two outputs would both be called tiny-onnx-int8",
    ),
}


@pytest.mark.parametrize(("spoil", "kind", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_cannot_work_is_refused_before_a_weight_is_loaded(
    project: Path, spoil: Callable[[Path], object], kind: type[EdgekitError], sentence: str
) -> None:
    spoil(project)
    with pytest.raises(kind) as caught:
        make(project)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_are_those_of_a_head_that_is_there(project: Path, tmp_path: Path) -> None:
    order = ("music", "heat", "light")
    head = tmp_path / "head"
    head.mkdir()
    tiny.make_encoder(head, labels=order)
    replace(project, "recipe.yaml", "./encoder", str(head))
    assert make(project).dataset.labels == order


def test_the_teacher_is_what_enters_the_outputs_where_nothing_shrinks(project: Path) -> None:
    assert make(project).teacher_before == 1


def test_a_trial_takes_few_rows_of_every_language_and_label(project: Path) -> None:
    made = make(project, smoke=True)
    assert made.layers == 2
    assert len(made.dataset.train) == classification.TRIAL_ROWS
    assert {row.language for row in made.dataset.test} == set(tiny.LANGUAGES)
    assert {row.label for row in made.dataset.test} == set(tiny.LABELS)


def test_texts_of_the_test_set_may_not_be_among_the_unlabeled(project: Path) -> None:
    with (project / "data" / "test.csv").open(encoding="utf-8", newline="") as stream:
        seen = next(csv.DictReader(stream))["text"]
    (project / "raw.txt").write_text(f"something else\n{seen}\n", encoding="utf-8")
    replace(project, "recipe.yaml", "data:\n", "data:\n  unlabeled: '*.txt'\n")
    bound = recipe.read(project / "recipe.yaml")
    with pytest.raises(DataError, match=r"1 texts of data.test are also in data.unlabeled"):
        data.read(bound, labels=None)


def test_unlabeled_texts_are_read_in_a_fixed_order_and_must_be_there(project: Path) -> None:
    for name in ("b", "a"):
        (project / f"{name}.txt").write_text(f"text {name}\n", encoding="utf-8")
    replace(project, "recipe.yaml", "data:\n", "data:\n  unlabeled: ['?.txt']\n")
    bound = recipe.read(project / "recipe.yaml")
    assert data.read(bound, labels=None).unlabeled == ("text a", "text b")

    replace(project, "recipe.yaml", "?.txt", "none/*.txt")
    bound = recipe.read(project / "recipe.yaml")
    with pytest.raises(DataError, match="no file is called none"):
        data.read(bound, labels=None)


def test_a_recipe_does_not_replace_the_model_it_starts_from(project: Path) -> None:
    tiny.make_encoder(project / "out" / "teacher", labels=tiny.LABELS)
    replace(project, "recipe.yaml", "./encoder", "./out/teacher")
    with pytest.raises(RecipeError, match="would replace its own model"):
        make(project)
    assert not make(project, out=project / "other").teacher_stands


def test_labels_corrected_in_the_app_are_named_until_they_train(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path / "own"))
    made = make(project)
    assert not any("corrected" in note for note in made.notes)
    path = corrected.path_of(made.bound.recipe.name)
    path.parent.mkdir(parents=True)
    path.write_text("text,label\nnever seen before,heat\nnor this one,light\n")
    note = f"2 labels were corrected in the app and are not in data.train; add {path} to it."
    assert note in make(project).notes
    replace(project, "recipe.yaml", "train: data/train.csv", f"train: [data/train.csv, {path}]")
    with (project / "data/train.csv").open(encoding="utf-8") as stream:
        assert "language" in stream.readline()
    assert not any("corrected" in note for note in make(project).notes)


def test_what_was_guessed_of_a_file_is_a_note(project: Path) -> None:
    path = project / "data/train.csv"
    rows = make(project).dataset.train
    path.write_text("All the rows\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    made = make(project)
    assert made.dataset.train == rows
    note = "data/train.csv was taken to name its columns in line 2, below a title."
    assert note in made.notes

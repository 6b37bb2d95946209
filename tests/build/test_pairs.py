"""Pairs of texts, from a recipe to an artifact to answers, held against transformers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.artifact import folder as artifacts
from edgekit.bench.asked import Asked
from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.cli import main
from edgekit.data.rows import read_rows
from edgekit.errors import ContextOverflow, DataError, EdgekitError, RecipeError
from edgekit.job.plan import Plan
from edgekit.recipe import recipe
from edgekit.tasks.classification.proof import bench
from tests.tiny import encoder as tiny
from tests.tiny import pairs

STEPS = pairs.RECIPE[pairs.RECIPE.index("steps:") : pairs.RECIPE.index("outputs:")]
OUTPUT = "  - onnx: {quantize: int8}\n"
LEARNT = STEPS.replace("epochs: 2", "epochs: 30, patience: 30")
SMALLER = (
    "  - trim_vocab: {}\n"
    "  - distill: {layers: 1, epochs: 12, learning_rate: 2e-3, batch_size: 16, patience: 12}\n"
    "  - prune: {ffn: 0.25}\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe without steps, whose model has a head by chance."""
    both = f"  - onnx: {{quantize: none}}\n{OUTPUT}"
    text = pairs.RECIPE.replace(STEPS, "").replace(OUTPUT, both)
    folder = tmp_path_factory.mktemp("pairs") / "tiny"
    return pairs.make_project(folder, recipe=text, labels=pairs.LABELS).parent


@pytest.fixture(scope="module")
def built(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """What it builds, in fp32 and in int8; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        bound = recipe.read(made / "recipe.yaml")
        return build.compress(plan.make(bound, out=tmp_path_factory.mktemp("out")))


def test_logits_are_those_of_transformers_divided_by_a_temperature(
    built: Built, made: Path
) -> None:
    asked = pairs.pipeline(built.teacher)
    both = [row.input for row in read_rows(made / "data" / "test.csv")[::4]]
    wanted = np.stack([pairs.theirs(asked, one) for one in both if isinstance(one, tuple)])
    with edgekit.load(built.artifacts[0].path) as model:
        found = np.stack([model.logits(one) for one in both])
    temperature = (wanted * found).sum() / np.square(found).sum()
    assert np.abs(temperature * found - wanted).max() <= 1e-4


def test_the_manifest_the_card_and_the_self_test_are_of_pairs(built: Built) -> None:
    for one in built.artifacts:
        found = artifacts.read(one.path)
        assert found.manifest.model.pairs
        golden = json.loads((one.path / "golden.json").read_text("utf-8"))
        assert all(len(given) == 2 for given in golden["inputs"])
        card = (one.path / "MODEL_CARD.md").read_text("utf-8")
        assert "- Reads pairs of texts: 64 tokens at once" in card
        assert main(["verify", str(one.path)]) == 0


@pytest.mark.slow
def test_a_model_learns_which_of_the_two_it_is_and_keeps_it_when_it_shrinks(
    tmp_path: Path,
) -> None:
    """The same words in the other order have the other label: a model that read one text alone, or
    without token types and places, could not tell."""
    text = pairs.RECIPE.replace(STEPS, f"{LEARNT}{SMALLER}")
    path = pairs.make_project(tmp_path / "tiny", recipe=text)
    found = build.compress(plan.make(recipe.read(path)))
    judged = found.artifacts[0].manifest["quality"]
    assert judged["teacher"]["macro_f1"] > 0.9
    assert judged["artifact"]["macro_f1"] > 0.9
    trimmed = next(s for s in found.artifacts[0].manifest["steps"] if s["step"] == "trim_vocab")
    assert trimmed["proof"]["by_language"]["en"]["bit_equal"] > 0
    with edgekit.load(found.artifacts[0].path, isolate=True) as model:
        assert model.classify(("heating on", "lamp please")).label == "first"
        assert model.classify(("lamp on", "heating please")).label == "second"


def test_evaluate_judges_as_the_build_did(
    built: Built, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = built.artifacts[1]
    arguments = [str(one.path), "--data", str(made / "data" / "test.csv"), "--json"]
    assert main(["evaluate", *arguments, "--against", str(built.teacher)]) in (0, 3, 4)
    found = json.loads(capsys.readouterr().out)
    judged = one.manifest["quality"]
    assert found["artifact"]["macro_f1"] == pytest.approx(judged["artifact"]["macro_f1"])
    assert found["agreement"] == judged["agreement"]
    assert judged["linear"]["macro_f1"] > 0.9  # which text has which words


def test_evaluate_refuses_rows_of_the_other_kind(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nlamp,first\n")
    assert main(["evaluate", str(built.artifacts[0].path), "--data", str(path)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "rows.csv:2: 'nli-onnx-none' takes pairs of texts, and the rows have no second" in told


@pytest.mark.slow
def test_bench_measures_every_side_on_pairs(built: Built, made: Path) -> None:
    asked = Asked(
        artifact=built.artifacts[1].path,
        against=built.teacher,
        data=made / "data" / "test.csv",
        baseline=False,
        quick=True,
        threads=1,
        rounds=1,
    )
    result = bench.run(asked, on_progress=lambda fraction: None)
    assert result["agreement"]["torch_fp32"] > 0.8
    assert result["lengths"]["mean"] > 6


def make(folder: Path, text: str = pairs.RECIPE) -> Plan:
    path = folder / "tiny" / "recipe.yaml"
    if not path.exists():
        pairs.make_project(path.parent, recipe=text)
    path.write_text(text, encoding="utf-8")
    return plan.make(recipe.read(path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed: 7", "prefix: 'query: '", r"recipe.yaml:\d+: 'prefix' is put before a text, and"),
        (STEPS, f"{STEPS}  - distill: {{student: static}}\n", r"a static student sees which words"),
    ],
)
def test_what_pairs_rule_out_is_one_sentence_of_the_plan(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    text = pairs.RECIPE.replace(old, new)
    pairs.make_project(tmp_path / "tiny")
    with pytest.raises(RecipeError, match=said):
        make(tmp_path, text)


def rewrite(path: Path, number: int, **changes: str | None) -> None:
    """Changes cells of one row of a CSV file; None takes the column out."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[number].update({name: value or "" for name, value in changes.items()})
    gone = {name for name, value in changes.items() if value is None}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(
            stream, [name for name in rows[0] if name not in gone], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)


def test_rows_that_no_model_could_read_name_their_place(tmp_path: Path) -> None:
    path = pairs.make_project(tmp_path / "tiny")
    train, test = (path.parent / "data" / f"{name}.csv" for name in ("train", "test"))
    rewrite(train, 3, text="lamp " * 40, text_pair="song " * 40)
    with pytest.raises(ContextOverflow, match=r"train.csv:5: The first text of a pair"):
        make(tmp_path)
    rewrite(train, 3, text="lamp " * 40, text_pair="song")
    assert make(tmp_path).dataset.pairs
    rewrite(test, 0, text_pair=None)
    with pytest.raises(DataError, match=r"test.csv:2: this row has no second text"):
        make(tmp_path)


def test_no_pair_of_the_test_set_is_trained_on_and_texts_may_be_shared(tmp_path: Path) -> None:
    path = pairs.make_project(tmp_path / "tiny")
    train, test = (path.parent / "data" / f"{name}.csv" for name in ("train", "test"))
    one = read_rows(train)[0]
    rewrite(test, 0, text=one.text, text_pair="a second text of its own")
    assert make(tmp_path)
    rewrite(test, 0, text=one.text.upper(), text_pair=one.text_pair)
    with pytest.raises(DataError, match=r"1 texts of data.test are also in data.train \(such as"):
        make(tmp_path)


def test_unlabeled_pairs_are_a_table_of_both_texts(tmp_path: Path) -> None:
    text = pairs.RECIPE.replace("data:\n", "data:\n  unlabeled: raw.*\n")
    text = text.replace("outputs:", "  - distill: {layers: 1}\noutputs:")
    folder = pairs.make_project(tmp_path / "tiny").parent
    (folder / "raw.csv").write_text("text,text_pair\nlamp,a song of its own\n")
    assert make(tmp_path, text).dataset.unlabeled == (("lamp", "a song of its own"),)
    one = read_rows(folder / "data" / "test.csv")[0]
    (folder / "raw.csv").write_text(f"text,text_pair\n{one.text},{one.text_pair}\n")
    with pytest.raises(DataError, match=r"1 texts of data.test are also in data.unlabeled"):
        make(tmp_path, text)
    (folder / "raw.csv").write_text("text\nlamp\n")
    with pytest.raises(DataError, match=r"raw.csv:2: there is no column 'text_pair'"):
        make(tmp_path, text)
    (folder / "raw.csv").rename(folder / "raw.txt")
    with pytest.raises(DataError, match=r"raw.txt: a text a line is no pair; give pairs as a tab"):
        make(tmp_path, text)


def test_a_student_without_a_rule_for_pairs_is_refused(tmp_path: Path) -> None:
    text = pairs.RECIPE.replace("outputs:", "  - distill: {student: ./other}\noutputs:")
    path = pairs.make_project(tmp_path / "tiny")
    (path.parent / "other").mkdir()
    tiny.make_encoder(path.parent / "other")
    with pytest.raises(RecipeError, match=r".* sets nothing around the two"):
        make(tmp_path, text)


def test_a_tokenizer_without_a_rule_for_pairs_is_refused(tmp_path: Path) -> None:
    path = pairs.make_project(tmp_path / "tiny")
    tiny.make_tokenizer(path.parent / "encoder")
    with pytest.raises(EdgekitError, match=r"recipe.yaml:\d+: .* sets nothing around the two"):
        make(tmp_path)

"""Every shipped recipe that starts from a teacher runs from end to end, on a tiny one."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from edgekit.build import build, plan
from edgekit.recipe import recipe
from tests.tiny import encoder as tiny
from tests.tiny import seq2seq as tiny_seq2seq
from tests.tiny import translator as tiny_translator

NAMES = [name for name in recipe.shipped() if name.startswith("classify-")]
# The tiny teacher's decoder has two layers.
WRITERS = {
    "summarize-int8": (),
    "summarize-small": (),
    "package-summaries-small": ("steps.1.prune.decoder_layers=1",),
}
# What the tiny teacher has is too little for the sizes and the proof of the real ones.
CHANGES = [
    "must={}",
    "steps.0.trim_vocab.size=200",
    "steps.0.trim_vocab.most_tokens_rise=9",
    "steps.0.trim_vocab.most_unknown_rise=1",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_leaves_an_artifact_that_answers(
    name: str, built: object, project: Path
) -> None:
    (project / "variant.yaml").write_text(
        f"version: 1\nname: tiny-variant\nextends: builtin/{name}\n"
        f"languages: [{', '.join(tiny.LANGUAGES)}]\nmodel: ./out/teacher\n",
        encoding="utf-8",
    )
    tiny.make_encoder(project / "out" / "teacher", labels=tiny.LABELS, layers=4)
    made = plan.make(recipe.read(project / "variant.yaml", changes=CHANGES))
    done = build.compress(made)
    steps = [step["step"] for step in done.artifacts[0].manifest["steps"]]
    assert steps == [*(entry.name for entry in made.bound.steps), "onnx"]
    with edgekit.load(done.artifacts[0].path) as model:
        assert model.classify("lamp on").label in tiny.LABELS


@pytest.mark.parametrize("name", WRITERS)
def test_a_shipped_recipe_leaves_a_summarizer_that_writes(
    name: str, tiny_writers: tiny_seq2seq.Writers, tmp_path: Path
) -> None:
    project = tiny_seq2seq.make_project(tmp_path / "project", tiny_writers["t5"]).parent
    shipped = recipe.read(recipe.shipped()[name])
    # The rest of the recipe as it is shipped, on other data.
    changes = [
        *CHANGES,
        *WRITERS[name],
        f"model={project / 'model'}",
        f"languages=[{', '.join(tiny.LANGUAGES)}]",
        *(
            f"data.{kind}={project / 'data' / kind}.jsonl"
            for kind in ("train", "validation", "test")
        ),
    ]
    bound = recipe.read(recipe.shipped()[name], changes=changes)
    done = build.compress(plan.make(bound, out=tmp_path / "out"))
    steps = [step["step"] for step in done.artifacts[0].manifest["steps"]]
    assert steps == [*(entry.name for entry in shipped.steps), "onnx"]
    with edgekit.load(done.artifacts[0].path) as model:
        assert model.summarize("lamp on. warm the room.").engine == "seq2seq"


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_a_shipped_recipe_leaves_a_translator(tmp_path: Path) -> None:
    marian = tiny_translator.make_marian(tmp_path / "marian")
    project = tiny_translator.make_project(tmp_path / "project", marian, count=60).parent
    changes = [
        "must={}",
        "steps.0.trim_vocab.most_tokens_rise=9",
        "steps.0.trim_vocab.most_unknown_rise=1",
        f"model={project / 'model'}",
        "languages={from: [en], to: [fr, sw]}",
        *(
            f"data.{kind}={project / 'data' / kind}.jsonl"
            for kind in ("train", "validation", "test")
        ),
    ]
    bound = recipe.read(recipe.shipped()["translate-int8"], changes=changes)
    [made] = build.compress(plan.make(bound, out=tmp_path / "out")).artifacts
    assert [step["step"] for step in made.manifest["steps"]] == ["trim_vocab", "onnx"]
    assert made.manifest["model"]["quantization"] == "int8"
    with edgekit.load(made.path) as model:
        assert model.translate("lamp on", to="sw").parts == 1

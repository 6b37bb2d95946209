"""Every shipped recipe that starts from a teacher runs from end to end, on a tiny one."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

import edgekit
from edgekit import build, plan, recipe

NAMES = [name for name in recipe.shipped() if name.startswith("classify-")]
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

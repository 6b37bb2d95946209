"""A step that asks to be run again: a student that keeps too little gets more layers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edgekit.build import build, plan
from edgekit.job.events import Event
from edgekit.job.plan import Plan
from edgekit.recipe import recipe
from tests.tiny import encoder as tiny

# A rate at which a student forgets what its layers knew.
STEPS = """  - finetune: {epochs: 8, learning_rate: 1e-3, freeze_embeddings: false, patience: 8}
  - distill: {layers: 1, keep: KEEP, epochs: 1, augment: 0, learning_rate: 0.2}
outputs:
  - onnx: {quantize: none}
"""


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose encoder has three layers."""
    folder = tiny.make_project(tmp_path_factory.mktemp("deep") / "project").parent
    shutil.rmtree(folder / "encoder")
    (folder / "encoder").mkdir()
    tiny.make_encoder(folder / "encoder", layers=3)
    return folder


def planned(folder: Path, *, keep: float) -> Plan:
    text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("steps:\n")
    seed = rest[rest.index("seed:") :]
    steps = STEPS.replace("KEEP", str(keep))
    path = folder / "student.yaml"
    path.write_text(f"{head}steps:\n{steps}{seed}", encoding="utf-8")
    return plan.make(recipe.read(path), out=folder / f"out-{keep}")


def taught(made: Plan) -> tuple[dict[str, Any], list[str]]:
    """What the manifest says of the distillation, and the states of its events."""
    events: list[Event] = []
    built = build.compress(made, on_event=events.append)
    (found,) = (one for one in built.artifacts[0].manifest["steps"] if one["step"] == "distill")
    states = [event.state for event in events if event.step == "distill"]
    return found, [state for state in states if state != "progress"]


def test_a_student_that_keeps_too_little_gets_more_layers(deep: Path) -> None:
    made = planned(deep, keep=1.0)
    assert any(
        "distill teaches layers: 1," in note and "at most layers: 2," in note for note in made.notes
    )
    found, states = taught(made)
    assert found["after"]["layers"] == found["settings"]["layers"] == 2
    assert states == ["start", "done"] * 2
    tried = [note.partition(" keeps ")[0] for note in found["notes"]]
    assert tried == ["layers: 1", "layers: 2"]
    assert found["notes"][0].endswith("and 100.0% is asked; layers: 2 is taught instead")
    assert found["notes"][1].endswith("and 100.0% is asked; no more layers are tried")
    # A second run teaches nobody again.
    assert taught(made) == (found, ["reused"] * 2)


def test_a_student_that_keeps_enough_stays(deep: Path) -> None:
    found, states = taught(planned(deep, keep=0.01))
    assert found["after"]["layers"] == 1
    assert states == ["start", "done"]
    (note,) = found["notes"]
    assert note.startswith("layers: 1 keeps ")
    assert note.endswith(" of the teacher's score on the validation rows")

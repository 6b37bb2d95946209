"""That the comparison of two source trees finds what is planted, and nothing where all is equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import same_bytes
from tests.same_bytes import Built, difference

KEY = "0a" * 32
MANIFEST = {"digest": "d", "files": [1], "steps": [{"after": {"layers": 2}}, {"step": "onnx"}]}


def leave(folder: Path) -> Built:
    """The digests of what stands in a folder as a build leaves it."""
    return same_bytes.left(folder / "out", folder / "store", inputs="i")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    contents = {
        "out/a-onnx/model.onnx": "weights",
        "out/a-onnx/manifest.json": json.dumps(MANIFEST),
        "out/teacher/model.safetensors": "more",
        "out/measured.json": "3 s",
        f"store/{KEY}/DONE.json": json.dumps({"facts": {"name": "finetune"}}),
        f"store/{'0b' * 32}.partial/weights": "begun",
    }
    for name, text in contents.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_what_a_run_tells_of_itself_is_not_compared(folder: Path) -> None:
    before = leave(folder)
    (folder / "out" / "measured.json").write_text("4 s")
    (folder / "out" / "report.html").write_text("4 s")
    after = leave(folder)
    assert difference(before, after) is None
    assert list(after.store.items()) == [(KEY, "finetune")]
    assert len(after.files) == 3


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "out" / "a-onnx" / "manifest.json"
    path.write_text(json.dumps({**MANIFEST, **changes}), encoding="utf-8")


PLANTED: dict[str, tuple[Callable[[Path], object], str]] = {
    "byte": (
        lambda folder: (folder / "out" / "teacher" / "model.safetensors").write_text("mote"),
        "teacher/model.safetensors differs",
    ),
    "no file": (
        lambda folder: (folder / "out" / "a-onnx" / "model.onnx").unlink(),
        "a-onnx/model.onnx is gone",
    ),
    "another file": (
        lambda folder: (folder / "out" / "a-onnx" / "b").touch(),
        "a-onnx/b is new",
    ),
    "field": (
        lambda folder: _edit(folder, digest="e", steps=[{"after": {"layers": 3}}, {}]),
        "a-onnx/manifest.json differs; a-onnx/manifest.json: steps[0].after.layers was 2 and is 3",
    ),
    "new field": (
        lambda folder: _edit(folder, needs=1),
        "a-onnx/manifest.json differs; a-onnx/manifest.json: needs was None and is 1",
    ),
    "key": (
        lambda folder: (folder / "store" / KEY).rename(folder / "store" / ("0c" * 32)),
        "1 of the store's 1 keys are not found again, first that of finetune 0a0a0a0a",
    ),
}


@pytest.mark.parametrize(("plant", "sentence"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_difference_is_named(
    folder: Path, plant: Callable[[Path], object], sentence: str
) -> None:
    before = leave(folder)
    plant(folder)
    assert difference(before, leave(folder)) == sentence
    assert same_bytes.tell("tiny", before, leave(folder)) == 1


def test_the_first_file_is_told_before_the_manifest_that_names_it(folder: Path) -> None:
    before = leave(folder)
    (folder / "out" / "a-onnx" / "model.onnx").write_text("other weights")
    _edit(folder, files=[2], digest="e")
    assert difference(before, leave(folder)) == "a-onnx/model.onnx differs"


def test_other_inputs_are_no_difference_of_the_trees(folder: Path) -> None:
    after = same_bytes.left(folder / "out", folder / "store", inputs="others")
    assert "build the baseline again" in str(difference(leave(folder), after))

"""The shipped quick recipe on its real sample: real encoder, real data, downloads (slow)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import edgekit
from edgekit import samples
from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.checkpoint.describe import describe
from edgekit.errors import EdgekitError
from edgekit.recipe import recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
FLIPS = 200


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("sample") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        samples.make("home-intents", folder)
        return build.compress(plan.make(recipe.read(folder / "quick.yaml")))


def test_the_teacher_is_good_and_the_artifact_keeps_it(quick: Built) -> None:
    quality = quick.artifacts[0].manifest["quality"]
    assert quality["teacher"]["macro_f1"] >= 0.90
    assert quality["verdict"] == "PASS"
    assert quality["worst_language"]["kept"] >= 0.97
    assert min(part["rows"] for part in quality["artifact"]["by_language"].values()) >= 600
    assert set(quality["other_languages"]) == {"hi", "ko"}


def test_the_model_file_is_less_than_a_tenth(quick: Built) -> None:
    model = quick.artifacts[0].path / "model.onnx"
    assert describe(quick.teacher).fp32_bytes / model.stat().st_size >= 10


def test_answers_do_not_depend_on_neighbours(quick: Built) -> None:
    """Multilingual encoders are those that dynamic int8 in batches has made answer at random."""
    texts = ["turn on the kitchen light", "关灯", "éteins la lumière", "a", "نور " * 300]
    shuffled = random.Random(0).sample(texts * 3, 15)
    with edgekit.load(quick.artifacts[0].path) as model:
        alone = {text: model.classify(text) for text in texts}
        for text, answer in zip(shuffled, model.classify(shuffled), strict=True):
            assert answer == alone[text]
    assert alone["turn on the kitchen light"].label == "HassTurnOn"
    assert alone["éteins la lumière"].label == "HassTurnOff"


def test_flipped_bits_are_refused(quick: Built) -> None:
    generator = random.Random(0)
    paths = sorted(quick.artifacts[0].path.iterdir())
    for _ in range(FLIPS):
        path = generator.choice(paths)
        at, bit = generator.randrange(path.stat().st_size), 1 << generator.randrange(8)
        flip(path, at, bit)
        try:
            with pytest.raises(EdgekitError):
                edgekit.load(quick.artifacts[0].path)
        finally:
            flip(path, at, bit)
    edgekit.load(quick.artifacts[0].path).close()


def flip(path: Path, at: int, bit: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([byte ^ bit]))

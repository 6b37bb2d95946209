"""Checkpoints whose layers differ in width: described, loaded, saved, exported, refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from edgekit.build.importing import import_checkpoint
from edgekit.checkpoint import models, units, widths
from edgekit.checkpoint.describe import describe
from edgekit.errors import CheckpointError
from edgekit.export.onnx.classifier import export
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.tokens import TextTokenizer
from edgekit.training import predict
from tests.tiny import encoder as tiny

TEXTS = ["lamp on", "joue une chanson", "turn up the heating now please"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh weights are so small that little depends on them: these are ten times as large."""
    folder = tiny.make_encoder(tmp_path_factory.mktemp("classifier"), labels=tiny.LABELS)
    model = models.load_classifier(folder)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.mul_(10)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def narrow(classifier: Path, tmp_path: Path) -> Path:
    """The classifier with 3 and 1 of 4 heads, and with 96 and 32 of 128 neurons."""
    model = models.load_classifier(classifier)
    first, second = units.layers(model)
    units.keep_heads(first, [0, 1, 3])
    units.keep_heads(second, [2])
    units.keep_neurons(first, range(10, 106))
    units.keep_neurons(second, range(0, 64, 2))
    units.settle(model)
    folder = tmp_path / "narrow"
    models.save(model, folder, source=classifier)
    return folder


def test_what_config_cannot_say_is_beside_it(narrow: Path) -> None:
    assert json.loads((narrow / "widths.json").read_text()) == {
        "format_version": 1,
        "heads": [3, 1],
        "ffn": [96, 32],
    }
    found = describe(narrow)
    assert (found.heads, found.ffn, found.layers) == (3, 96, 2)
    model = models.load_classifier(narrow)
    assert found.parameters == sum(p.numel() for p in model.parameters())


def test_it_answers_as_the_model_with_the_rest_masked(classifier: Path, narrow: Path) -> None:
    model = models.load_classifier(classifier)
    first, second = units.layers(model)
    with torch.no_grad():
        for layer, heads, neurons in (
            (first, {0, 1, 3}, set(range(10, 106))),
            (second, {2}, set(range(0, 64, 2))),
        ):
            out = layer.matrix("attention.output.dense").weight
            for head in set(range(4)) - heads:
                out[:, head * 16 : head * 16 + 16] = 0
            out = layer.matrix("output.dense").weight
            out[:, sorted(set(range(128)) - neurons)] = 0
    wanted = classifier.parent / "masked"
    models.save(model, wanted, source=classifier)
    masked = predict.logits(wanted, TEXTS, max_tokens=64)
    assert np.abs(predict.logits(narrow, TEXTS, max_tokens=64) - masked).max() < 1e-4
    assert np.abs(predict.logits(classifier, TEXTS, max_tokens=64) - masked).max() > 0.1


def test_it_is_saved_and_imported_as_it_is(narrow: Path, tmp_path: Path) -> None:
    wanted = predict.logits(narrow, TEXTS, max_tokens=64)
    models.save(models.load_classifier(narrow), tmp_path / "again", source=narrow)
    (tmp_path / "imported").mkdir()
    import_checkpoint(tmp_path / "again", tmp_path / "imported")
    assert np.array_equal(predict.logits(tmp_path / "imported", TEXTS, max_tokens=64), wanted)


def test_its_export_answers_like_it(narrow: Path, tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    path = export(narrow, tmp_path / "onnx")
    encoder = TextTokenizer(narrow / "tokenizer.json", max_tokens=64)
    with OnnxClassifier(path.read_bytes, encoder) as model:
        found = np.stack([logits for logits, _ in model.map(TEXTS)])
    assert np.abs(found - predict.logits(narrow, TEXTS, max_tokens=64)).max() < 1e-3


def test_its_first_layers_can_be_tried(narrow: Path) -> None:
    models.cut_folder(narrow, 1)
    assert json.loads((narrow / "widths.json").read_text())["heads"] == [3]
    assert describe(narrow).layers == 1
    assert predict.logits(narrow, TEXTS, max_tokens=64).shape == (3, 3)


def test_alike_layers_need_no_file_and_load_in_plain_transformers(
    classifier: Path, tmp_path: Path
) -> None:
    model = models.load_classifier(classifier)
    for layer in units.layers(model):
        units.keep_neurons(layer, range(64))
    units.settle(model)
    models.save(model, tmp_path, source=classifier)
    assert not (tmp_path / "widths.json").exists()
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[0, 5, 6, 2]])
    assert torch.allclose(plain(input_ids=ids).logits, model(input_ids=ids).logits, atol=1e-5)


def edit(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "widths.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no JSON": (lambda f: (f / "widths.json").write_text("{"), "Expecting"),
    "deep JSON": (lambda f: (f / "widths.json").write_text("[" * 90_000), "copy the whole"),
    "huge": (lambda f: (f / "widths.json").write_bytes(b" " * 200_000), "larger than 100,000"),
    "a list": (lambda f: (f / "widths.json").write_text("[]"), "must hold format_version"),
    "an unknown key": (edit(extra=1), "and nothing else"),
    "another version": (edit(format_version=2), "format_version is not 1"),
    "a layer too few": (edit(heads=[3]), "'heads' must list 2 numbers"),
    "no list": (edit(ffn=96), "'ffn' must list 2 numbers"),
    "nothing left": (edit(heads=[3, 0]), "'heads' holds 0, where config.json allows 1 to 4"),
    "too wide": (edit(ffn=[10**9, 32]), "allows 1 to 96"),
    "no number": (edit(ffn=[True, 32]), "'ffn' holds True"),
    "a fraction": (edit(ffn=[96.0, 32]), "'ffn' holds 96.0"),
}


@pytest.mark.parametrize(("spoil", "sentence"), BAD.values(), ids=BAD.keys())
def test_a_damaged_file_is_refused_in_a_sentence(
    narrow: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(narrow)
    with pytest.raises(CheckpointError) as caught:
        describe(narrow)
    assert sentence in str(caught.value)
    assert str(narrow / "widths.json") in str(caught.value)


def test_weights_of_other_widths_are_refused(narrow: Path) -> None:
    edit(ffn=[64, 32])(narrow)
    with pytest.raises(CheckpointError, match=r"is of another size than widths\.json"):
        models.load_classifier(narrow)


def test_the_file_belongs_to_the_weights(narrow: Path, classifier: Path, tmp_path: Path) -> None:
    """What is saved over a pruned checkpoint does not keep its widths."""
    folder = Path(shutil.copytree(narrow, tmp_path / "over"))
    models.save(models.load_classifier(classifier), folder, source=classifier)
    assert not (folder / widths.FILE).exists()
    assert describe(folder).heads == 4

"""Which files hold the weights: held against transformers, in every reader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from edgekit.build.importing import import_checkpoint
from edgekit.checkpoint import describe, models, streaming, tensors, units, weights
from edgekit.errors import CheckpointError
from edgekit.steps.trim_vocab.vocabulary import tables
from tests.tiny import encoder as tiny
from tests.tiny import llama

OLD = "model-00001-of-00001.safetensors"


def put_old_beside(folder: Path) -> None:
    """As after saving a fine-tuned model into the folder of a sharded one."""
    old = {name: torch.zeros_like(one) for name, one in _whole(folder).items()}
    save_file(old, folder / OLD, metadata={"format": "pt"})
    _write_index(folder, dict.fromkeys(old, OLD))


def put_strays(folder: Path) -> None:
    """Files that no index names: another format's, an earlier save's."""
    wrong = {name: torch.zeros_like(one) for name, one in _whole(folder).items()}
    for name in ("consolidated", "zz"):
        save_file(wrong, folder / f"{name}.safetensors", metadata={"format": "pt"})


def shard(folder: Path) -> None:
    """Two files and their index, with a tensor in one of them that the index leaves out."""
    whole = _whole(folder)
    names = sorted(whole)
    index = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({n: whole[n] for n in part} | {"left.out": torch.ones(2)}, folder / file,
                  metadata={"format": "pt"})  # fmt: skip
        index |= dict.fromkeys(part, file)
    (folder / weights.WHOLE).unlink()
    _write_index(folder, index)


def shard_and_put_strays(folder: Path) -> None:
    put_strays(folder)
    shard(folder)


def _whole(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / weights.WHOLE))


def _write_index(folder: Path, places: dict[str, str]) -> None:
    document = {"metadata": {}, "weight_map": places}
    (folder / weights.INDEX).write_text(json.dumps(document))


LAYOUTS = {
    "an old index beside a new file": put_old_beside,
    "files that no index names": put_strays,
    "an index": shard,
    "an index and files that it does not name": shard_and_put_strays,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    tiny.make_encoder(folder / "encoder", labels=tiny.LABELS)
    llama.make_checkpoint(folder / "decoder")
    narrow = shutil.copytree(folder / "encoder", folder / "narrow")
    model = models.load_classifier(narrow)
    units.keep_heads(units.layers(model)[0], [1, 3])
    models.save(model, narrow, source=folder / "encoder")
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("lay_out", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_every_reader_reads_what_transformers_reads(
    made: dict[str, Path], tmp_path: Path, kind: str, lay_out: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(made[kind], tmp_path / kind))
    lay_out(folder)
    loader = AutoModelForCausalLM if kind == "decoder" else AutoModelForSequenceClassification
    wanted: PreTrainedModel = loader.from_pretrained(folder)
    (imported := tmp_path / "imported").mkdir()
    import_checkpoint(folder, imported)
    for read in (folder, imported):
        assert_equal(models.load(read), wanted)
        state = wanted.state_dict()
        for name, tensor in tensors.read(read).items():
            np.testing.assert_array_equal(np.concatenate(list(tensor.rows())), state[name].numpy())
    assert not weights.find(imported).unread
    if kind == "decoder":
        (found,) = streaming.logits(folder, [[5, 6, 7]])
        logits = wanted(torch.tensor([[5, 6, 7]])).logits[0]
        np.testing.assert_allclose(found, logits.detach().numpy(), atol=1e-4)
    else:
        (out := tmp_path / "trimmed").mkdir()
        shutil.copyfile(folder / "config.json", out / "config.json")
        rows = wanted.config.vocab_size
        tables.trim(folder, out, range(rows), model_type="bert", before=rows)
        assert_equal(loader.from_pretrained(out), wanted)
        assert not weights.find(out).unread


@pytest.mark.parametrize("lay_out", LAYOUTS.values(), ids=LAYOUTS)
def test_a_pruned_checkpoint_is_read_in_the_same_order(
    made: dict[str, Path], tmp_path: Path, lay_out: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(made["narrow"], tmp_path / "narrow"))
    wanted = models.load_classifier(folder)
    lay_out(folder)
    assert_equal(models.load_classifier(folder), wanted)


def assert_equal(found: PreTrainedModel, wanted: PreTrainedModel) -> None:
    theirs = wanted.state_dict()
    for name, one in found.state_dict().items():
        assert torch.equal(one, theirs[name]), name


def test_what_is_not_read_is_said(made: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made["encoder"], tmp_path / "encoder"))
    assert weights.find(folder).note is None
    put_old_beside(folder)
    note = weights.find(folder).note
    assert note == (
        "the weights are read from model.safetensors, as transformers reads them; not read: "
        f"{OLD}, {weights.INDEX}; delete what is out of date"
    )
    (out := tmp_path / "out").mkdir()
    assert import_checkpoint(folder, out)["notes"] == [note]


def mix(folder: Path) -> None:
    shard(folder)
    places = json.loads((folder / weights.INDEX).read_text())["weight_map"]
    first = "model-00001-of-00002.safetensors"
    name = next(name for name, place in places.items() if place == first)
    _write_index(folder, {**places, name: "model-00002-of-00002.safetensors"})


def lose(folder: Path) -> None:
    shard(folder)
    places = json.loads((folder / weights.INDEX).read_text())["weight_map"]
    _write_index(folder, {**places, "x.weight": "model-00002-of-00002.safetensors"})


def leave_folder(folder: Path) -> None:
    (folder / weights.WHOLE).rename(folder.parent / "other.safetensors")
    _write_index(folder, {"x": "../other.safetensors"})


def redirect(folder: Path) -> None:
    path = folder / "config.json"
    named = {"transformers_weights": "other.safetensors"}
    path.write_text(json.dumps(json.loads(path.read_text()) | named))


def from_tensorflow(folder: Path) -> None:
    save_file(_whole(folder), folder / weights.WHOLE, metadata={"format": "tf"})


BAD = {
    "two saves mixed": (mix, "the folder mixes the files of two saves"),
    "an index of more": (lose, "names 1 weights that its files do not hold (first: 'x.weight')"),
    "files elsewhere": (leave_folder, "is not the name of a safetensors file in the same folder"),
    "another file": (redirect, "'transformers_weights' names the file of the weights; rename"),
    "another layout": (from_tensorflow, "the weights have the layout of 'tf'"),
    "an adapter inside": (
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        "an adapter lies in the checkpoint's folder",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), BAD.values(), ids=BAD)
def test_what_transformers_would_read_otherwise_is_refused(
    made: dict[str, Path], tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    folder = Path(shutil.copytree(made["encoder"], tmp_path / "encoder"))
    spoil(folder)
    with pytest.raises(CheckpointError) as caught:
        describe.describe(folder)
    assert sentence in str(caught.value)

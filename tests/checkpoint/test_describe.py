from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, TaskType, get_peft_model

from edgekit.build.importing import import_checkpoint
from edgekit.checkpoint import models
from edgekit.checkpoint.describe import describe
from edgekit.errors import CheckpointError, EdgekitError
from edgekit.training import predict
from tests.tiny import encoder as tiny


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_encoder(tmp_path_factory.mktemp("classifier"), labels=tiny.LABELS)


@pytest.fixture
def folder(classifier: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifier, tmp_path / "checkpoint"))


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_checkpoint_is_described_without_loading_weights(folder: Path) -> None:
    found = describe(folder)
    model = models.load_classifier(folder)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert (found.layers, found.hidden, found.max_tokens) == (2, 64, 64)
    assert found.labels == tiny.LABELS


def test_an_encoder_without_a_head_has_no_labels(made_project: Path) -> None:
    assert describe(made_project / "encoder").labels is None


def break_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")


def break_shards(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


BAD = {
    "pickle only": (break_pickle, "only in pytorch_model.bin, a format that can run programs"),
    "missing shards": (break_shards, "1 of 2 weight files are missing"),
    "truncated": (cut, "the file is cut or damaged"),
    "empty weights": (
        lambda f: (f / "model.safetensors").write_bytes(b""),
        "this is no safetensors file",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "there is no model.safetensors"),
    "own code": (lambda f: change_config(f, auto_map={"AutoModel": "m.M"}), "'auto_map' asks for"),
    "unknown type": (lambda f: change_config(f, model_type="brt"), "Did you mean 'bert'?"),
    "an embedder of a decoder's type": (
        lambda f: change_config(f, model_type="gemma3_text", use_bidirectional_attention=True),
        "reads texts in both directions",
    ),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "this is not JSON"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "labels not numbered": (
        lambda f: change_config(f, id2label={"a": "b"}),
        "does not number its labels",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_used_is_refused_in_a_sentence(folder: Path, spoil, sentence: str) -> None:  # type: ignore[no-untyped-def]
    spoil(folder)
    with pytest.raises(CheckpointError) as caught:
        describe(folder)
    assert sentence in str(caught.value)


def test_private_keys_do_not_come_along(folder: Path, tmp_path: Path) -> None:
    change_config(folder, _attn_implementation_internal="kernels/evil", _name_or_path="x/y")
    (folder / "modeling_evil.py").write_text("raise SystemExit")
    out = tmp_path / "out"
    out.mkdir()
    import_checkpoint(folder, out)
    assert not [key for key in json.loads((out / "config.json").read_text()) if key[0] == "_"]
    assert not (out / "modeling_evil.py").exists()
    assert (out / "LICENSE").is_file()


def test_weights_that_the_config_asks_for_must_be_there(folder: Path) -> None:
    change_config(folder, num_hidden_layers=3)
    with pytest.raises(CheckpointError, match="16 weights are missing"):
        models.load_classifier(folder)


def test_an_adapter_is_merged(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=4, target_modules=["query", "value"])
    tuned = get_peft_model(models.load_classifier(folder), config)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    tuned.save_pretrained(tmp_path / "adapter")
    out = tmp_path / "out"
    out.mkdir()
    import_checkpoint(folder, out, adapter=tmp_path / "adapter")
    texts = ["lamp on", "joue une chanson"]
    merged = predict.logits(out, texts, max_tokens=64)
    assert abs(merged - predict.logits(folder, texts, max_tokens=64)).max() > 1e-3
    ids = models.load_classifier(folder), tuned.merge_and_unload()
    state = ids[1].state_dict()
    wanted = ids[0]
    wanted.load_state_dict(state)
    wanted.save_pretrained(tmp_path / "wanted")
    shutil.copy(folder / "tokenizer.json", tmp_path / "wanted")
    assert abs(merged - predict.logits(tmp_path / "wanted", texts, max_tokens=64)).max() < 1e-5


def test_a_folder_that_is_no_adapter_is_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(CheckpointError, match=r"adapter_config\.json is missing"):
        import_checkpoint(folder, out, adapter=tmp_path)


@given(st.data())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_headers_are_told_never_crash(folder: Path, data: st.DataObject) -> None:
    path = folder / "model.safetensors"
    good = path.read_bytes()
    size = int.from_bytes(good[:8], "little")
    at = data.draw(st.integers(0, 8 + size - 1))
    bad = bytearray(good)
    bad[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(bad))
    message = ""
    try:
        describe(folder)
    except EdgekitError as error:
        message = str(error)
    finally:
        path.write_bytes(good)
    assert not message or str(path) in message

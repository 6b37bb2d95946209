"""A folder must hold the weights that its config asks for: held against transformers' own words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForTokenClassification,
    BertModel,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaForTokenClassification,
)

from edgekit.checkpoint import models, units
from edgekit.checkpoint.weights import WHOLE
from edgekit.errors import CheckpointError
from tests.tiny import encoder as tiny
from tests.tiny import llama, seq2seq

SMALL = {
    "vocab_size": 100,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 66,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    tiny.make_encoder(folder / "classifier", labels=tiny.LABELS)
    tiny.make_encoder(folder / "encoder")
    llama.make_checkpoint(folder / "decoder")
    seq2seq.make_model(folder / "writer", trained=False)
    narrow = shutil.copytree(folder / "classifier", folder / "narrow")
    model = models.load_classifier(narrow)
    units.keep_heads(units.layers(model)[0], [1, 3])
    models.save(model, narrow, source=folder / "classifier")
    return {path.name: path for path in folder.iterdir()}


LOADERS = {
    "classifier": models.load_classifier,
    "narrow": models.load_classifier,
    "encoder": models.load_encoder,
    "decoder": models.load_decoder,
    "writer": models.load_seq2seq,
}


def change(folder: Path, changed: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = dict(load_file(folder / WHOLE))
    changed(state)
    save_file(state, folder / WHOLE, metadata={"format": "pt"})


def of_a_layer(folder: Path, kind: str) -> str:
    """The name of a weight in the second layer."""
    names = sorted(load_file(folder / WHOLE))
    return next(name for name in names if ".1." in name and name.endswith(kind))


def drop(state: dict[str, torch.Tensor], name: str) -> None:
    del state[name]


def widen(state: dict[str, torch.Tensor], name: str) -> None:
    state[name] = torch.zeros(len(state[name]) + 1, *state[name].shape[1:])


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("fault", ["missing", "unexpected", "mismatched"])
def test_each_fault_is_refused_by_its_name(
    made: dict[str, Path], tmp_path: Path, kind: str, fault: str
) -> None:
    folder = Path(shutil.copytree(made[kind], tmp_path / kind))
    name = of_a_layer(folder, ".weight")
    if fault == "missing":
        change(folder, lambda state: drop(state, name))
    elif fault == "mismatched":
        change(folder, lambda state: widen(state, name))
    else:
        name = name.replace(".1.", ".7.")
        change(folder, lambda state: state.update({name: torch.zeros(2)}))
    for load in (LOADERS[kind], models.check):
        with pytest.raises(CheckpointError) as caught:
            load(folder)
        assert name in str(caught.value)


def test_a_head_whose_weights_are_absent_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made["classifier"], tmp_path / "classifier"))
    change(folder, lambda state: drop(state, "classifier.weight"))
    for labels in (None, tiny.LABELS):
        with pytest.raises(CheckpointError, match=r"the head are missing \(classifier\.weight\)"):
            models.load_classifier(folder, labels=labels)
    with pytest.raises(CheckpointError, match=r'set \'architectures\' .* to \["BertModel"\]'):
        models.check(folder)
    with pytest.raises(CheckpointError, match=r"another shape .*classifier\.weight"):
        models.load_classifier(made["classifier"], labels=("a", "b"))


def test_a_pooler_that_a_head_reads_must_be_there(made: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made["classifier"], tmp_path / "classifier"))
    change(folder, lambda state: drop(state, "bert.pooler.dense.weight"))
    with pytest.raises(CheckpointError, match=r"first: bert\.pooler\.dense\.weight"):
        models.load_classifier(folder)
    models.load_encoder(folder)  # which reads no pooler


def untied(folder: Path) -> None:
    """A copy of the embeddings under the head's name, as many files of tied models hold."""
    change(
        folder,
        lambda state: state.update({"lm_head.weight": state["model.embed_tokens.weight"].clone()}),
    )


def old_buffers(folder: Path) -> None:
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    change(folder, lambda state: state.update({name: torch.zeros(8)}))


def position_ids(folder: Path) -> None:
    name = "bert.embeddings.position_ids"
    change(folder, lambda state: state.update({name: torch.arange(64)[None]}))


HARMLESS = {
    "a tied head": ("decoder", untied),
    "old buffers": ("decoder", old_buffers),
    "position ids": ("classifier", position_ids),
}


@pytest.mark.parametrize(("kind", "leave"), HARMLESS.values(), ids=HARMLESS)
def test_what_is_known_to_be_left_behind_is_passed_over(
    made: dict[str, Path], tmp_path: Path, kind: str, leave: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(made[kind], tmp_path / kind))
    wanted = LOADERS[kind](folder).state_dict()
    leave(folder)
    models.check(folder)
    found = LOADERS[kind](folder).state_dict()
    assert all(torch.equal(found[name], one) for name, one in wanted.items())


OF_OTHER_TASKS = {
    "masked words": lambda: BertForMaskedLM(BertConfig(**SMALL)),
    "pre-training": lambda: BertForPreTraining(BertConfig(**SMALL)),
    "tokens": lambda: BertForTokenClassification(BertConfig(**SMALL, num_labels=9)),
    "tokens, RoBERTa": lambda: XLMRobertaForTokenClassification(XLMRobertaConfig(**SMALL)),
    "no pooler": lambda: BertModel(BertConfig(**SMALL), add_pooling_layer=False),
    "masked words, RoBERTa": lambda: XLMRobertaForMaskedLM(XLMRobertaConfig(**SMALL)),
}


@pytest.mark.parametrize("make", OF_OTHER_TASKS.values(), ids=OF_OTHER_TASKS)
def test_an_encoder_with_another_tasks_head_may_get_a_new_one(
    tmp_path: Path, make: Callable[[], torch.nn.Module]
) -> None:
    tiny.make_tokenizer(tmp_path)
    made = make()
    made.save_pretrained(tmp_path)
    models.check(tmp_path)
    body = units.body(models.load_classifier(tmp_path, labels=tiny.LABELS)).state_dict()
    alone = models.load_encoder(tmp_path).state_dict()
    theirs = units.body(made).state_dict()
    for name, one in theirs.items():
        assert torch.equal(body.get(name, one), one)
        assert torch.equal(alone[name], one)
    with pytest.raises(CheckpointError, match=r"of the head are missing|for another task"):
        models.load_classifier(tmp_path)
    name = next(one for one in load_file(tmp_path / WHOLE) if ".layer.0." in one)
    change(tmp_path, lambda state: state.update({name.replace(".0.", ".5."): torch.zeros(1)}))
    with pytest.raises(CheckpointError, match=r"1 weight has no place .*\.5\."):
        models.check(tmp_path)
    with pytest.raises(CheckpointError, match=r"1 weight has no place .*\.5\."):
        models.load_classifier(tmp_path, labels=tiny.LABELS)

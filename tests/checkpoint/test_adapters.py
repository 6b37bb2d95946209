"""Merged adapters, held against the answers of peft's own forward pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from edgekit.build.importing import import_checkpoint
from edgekit.checkpoint import merging, models
from edgekit.checkpoint.describe import describe
from edgekit.errors import CheckpointError
from tests.tiny import encoder as tiny
from tests.tiny import llama, seq2seq

# peft tells those who train what merging by itself may lose.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:peft")
IDS = torch.arange(5, 37)[None]
LOADERS: dict[str, Any] = {
    "classifier": AutoModelForSequenceClassification,
    "encoder": AutoModelForSequenceClassification,
    "body": AutoModel,
    "decoder": AutoModelForCausalLM,
    "tied": AutoModelForCausalLM,
    "writer": AutoModelForSeq2SeqLM,
}
BASES = {"body": "encoder"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    tiny.make_encoder(folder / "classifier", labels=tiny.LABELS)
    tiny.make_encoder(folder / "encoder")
    llama.make_checkpoint(folder / "decoder", tied=False)
    llama.make_checkpoint(folder / "tied", tied=True)
    seq2seq.make_model(folder / "writer", trained=False)
    return {path.name: path for path in folder.iterdir()}


@dataclass(frozen=True)
class Case:
    """A base and how an adapter of it is trained."""

    kind: str
    settings: Mapping[str, Any]
    rows: int = 0
    """Further tokens, for which the base was resized."""


ATTENTION = {"target_modules": ["q_proj", "v_proj"]}
QUERY = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"]}
TALKS = {"task_type": "CAUSAL_LM", **ATTENTION}
EMBEDDED = {"task_type": "CAUSAL_LM", "target_modules": ["q_proj", "embed_tokens"]}
PATTERNS = {"rank_pattern": {"v_proj": 5, "0.self_attn.q_proj": 3},
            "alpha_pattern": {r"layers\.1\..*q_proj": 11}}  # fmt: skip
CASES = {
    "a classifier": Case("classifier", QUERY),
    "a bare encoder": Case("encoder", QUERY),
    "a bare encoder, all-linear": Case("encoder", {**QUERY, "target_modules": "all-linear"}),
    "a body": Case("body", {"task_type": "FEATURE_EXTRACTION", "target_modules": ["query"]}),
    "a body, no task": Case("body", {"target_modules": ["query"], "modules_to_save": ["pooler"]}),
    "a body's on a classifier": Case("body", {"target_modules": ["query"]}),
    "biases": Case("classifier", {**QUERY, "bias": "all"}),
    "biases of LoRA": Case("encoder", {**QUERY, "bias": "lora_only"}),
    "a bias in B": Case("classifier", {**QUERY, "lora_bias": True}),
    "embeddings of words": Case(
        "classifier", {**QUERY, "target_modules": ["query", "word_embeddings"]}
    ),
    "more words": Case("classifier", QUERY, rows=7),
    "a decoder": Case("decoder", TALKS),
    "rank stabilised": Case("decoder", {**TALKS, "use_rslora": True, **PATTERNS}),
    "patterns": Case("decoder", {**TALKS, **PATTERNS}),
    "DoRA": Case("decoder", {**TALKS, "use_dora": True}),
    "DoRA of an encoder": Case("encoder", {**QUERY, "use_dora": True}),
    "said to be transposed": Case("decoder", {**TALKS, "fan_in_fan_out": True}),
    "a trained output": Case("decoder", {**TALKS, "modules_to_save": ["lm_head"]}),
    "a trained output, tied": Case("tied", {**TALKS, "modules_to_save": ["lm_head"]}),
    "LoRA of the output, tied": Case(
        "tied", {"task_type": "CAUSAL_LM", "target_modules": ["q_proj", "lm_head"]}
    ),
    "trained embeddings, tied": Case("tied", {**TALKS, "modules_to_save": ["embed_tokens"]}),
    "trained embeddings, kept tied": Case(
        "tied", {**TALKS, "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
    ),
    "both, tied": Case("tied", {**TALKS, "modules_to_save": ["lm_head", "embed_tokens"]}),
    "LoRA of the embeddings": Case("decoder", EMBEDDED),
    "LoRA of the embeddings, tied": Case("tied", EMBEDDED),
    "some tokens": Case("decoder", {**TALKS, "trainable_token_indices": [7, 3, 9]}),
    "some tokens, tied": Case("tied", {**TALKS, "trainable_token_indices": [7, 3, 9]}),
    "more tokens": Case("decoder", TALKS, rows=5),
    "more tokens, tied": Case("tied", TALKS, rows=5),
    "more tokens and output, tied": Case("tied", {**TALKS, "modules_to_save": ["lm_head"]}, rows=5),
    "a writer": Case("writer", {"task_type": "SEQ_2_SEQ_LM", "target_modules": ["q", "v", "wo"]}),
}


def train(case: Case, base: Path, folder: Path) -> peft.PeftModel:
    """An adapter in a folder as a user has it, as if trained: what learns gets other numbers."""
    torch.manual_seed(3)
    tuned = peft.get_peft_model(load(case, base), peft.LoraConfig(r=4, lora_alpha=6,
                                                                  **case.settings))  # fmt: skip
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter).abs())
    tuned.save_pretrained(folder, save_embedding_layers=True if case.rows else "auto")
    if case.rows:
        tokenizer = llama.PreTrainedTokenizerFast.from_pretrained(base)
        tokenizer.add_tokens([f"<more{number}>" for number in range(case.rows)])
        tokenizer.save_pretrained(folder)
    return tuned


def load(case: Case, base: Path) -> PreTrainedModel:
    """The base as peft wants it, with the head and the rows that training began with."""
    torch.manual_seed(5)
    more = {"num_labels": len(tiny.LABELS)} if case.kind == "encoder" else {}
    model: PreTrainedModel = LOADERS[case.kind].from_pretrained(base, **more)
    if case.rows:
        rows = model.get_input_embeddings().weight.shape[0] + case.rows
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


def answers(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    more = {"decoder_input_ids": ids} if hasattr(model.config, "decoder_start_token_id") and (
        model.config.is_encoder_decoder) else {}  # fmt: skip
    with torch.inference_mode():
        found = model.eval()(input_ids=ids, **more)
    return found.logits if hasattr(found, "logits") else found.last_hidden_state


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_merged_adapter_answers_as_peft_does(
    made: dict[str, Path], tmp_path: Path, case: Case
) -> None:
    base, folder = made[BASES.get(case.kind, case.kind)], tmp_path / "adapter"
    train(case, base, folder)
    ids = IDS
    if case.rows:
        # The rows that are new, and the last of the old.
        rows = load(case, base).get_input_embeddings().weight.shape[0]
        ids = torch.cat([IDS, torch.arange(rows - case.rows - 1, rows)[None]], dim=1)
    wanted = answers(peft.PeftModel.from_pretrained(load(case, base), folder), ids)
    (out := tmp_path / "out").mkdir()
    labels = tiny.LABELS if case.kind == "encoder" else None
    planned = merging.plan(base, folder, labels=labels)
    import_checkpoint(base, out, adapter=folder, labels=labels)
    found = answers(LOADERS[case.kind].from_pretrained(out), ids)
    assert (found - wanted).abs().max() <= 1e-4
    assert (found - answers(load(case, base), ids)).abs().max() > 3e-3
    described = describe(out)
    assert planned.description.parameters == described.parameters
    assert (
        planned.description.vocabulary
        == described.vocabulary
        == (load(case, base).get_input_embeddings().weight.shape[0])
    )
    assert planned.description.labels == described.labels
    if case.kind in ("classifier", "encoder"):
        assert described.labels == tiny.LABELS
    given = folder if case.rows else base
    assert (out / "tokenizer.json").read_bytes() == (given / "tokenizer.json").read_bytes()


def test_a_bodys_adapter_fits_a_classifier(made: dict[str, Path], tmp_path: Path) -> None:
    """Whose names have a prefix that the adapter's lack."""
    tuned = train(CASES["a body's on a classifier"], made["classifier"], tmp_path / "adapter")
    (out := tmp_path / "out").mkdir()
    import_checkpoint(made["classifier"], out, adapter=tmp_path / "adapter")
    found = models.load_classifier(out)
    assert (answers(found.bert, IDS) - answers(tuned, IDS)).abs().max() <= 1e-4
    assert describe(out).labels == tiny.LABELS


@pytest.fixture
def trained(made: dict[str, Path], tmp_path: Path) -> Path:
    """An adapter with a head, of a bare encoder."""
    train(CASES["a bare encoder"], made["encoder"], tmp_path / "adapter")
    return tmp_path / "adapter"


def set_key(folder: Path, **changed: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def change(folder: Path, changed: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "adapter_model.safetensors"
    state = dict(load_file(path))
    changed(state)
    save_file(state, path, metadata={"format": "pt"})


def key(state: dict[str, torch.Tensor], end: str) -> str:
    return next(name for name in sorted(state) if name.endswith(end))


def still(state: dict[str, torch.Tensor]) -> None:
    for name in [name for name in state if "lora_B" in name or "classifier" in name]:
        state[name].zero_()


def rename(state: dict[str, torch.Tensor]) -> None:
    for name in [name for name in state if ".layer.1." in name]:
        state[name.replace(".layer.1.", ".layer.9.")] = state.pop(name)


def drop(end: str) -> Callable[[Path], None]:
    return lambda folder: change(folder, lambda state: state.pop(key(state, end)))


def leave_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def use_other_tokens(folder: Path) -> None:
    tokenizer = tiny.make_tokenizer(folder)
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(folder)


def use_slow_tokenizer(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{}")


def grow_rank(state: dict[str, torch.Tensor]) -> None:
    state[key(state, "lora_A.weight")] = torch.zeros(9, 64)


def widen(state: dict[str, torch.Tensor]) -> None:
    for name in [name for name in state if name.endswith("lora_B.weight")]:
        state[name] = torch.ones(96, 4)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "prompt tuning": (lambda f: set_key(f, peft_type="PROMPT_TUNING"), "of the type PROMPT_TUNING"),
    "IA3": (lambda f: set_key(f, peft_type="IA3"), "only LoRA can be merged"),
    "PiSSA": (lambda f: set_key(f, init_lora_weights="pissa"), "changed the base itself"),
    "layers repeated": (lambda f: set_key(f, layer_replication=[[0, 2]]), "'layer_replication' is"),
    "a new kind": (lambda f: set_key(f, use_frobnication=True), "'use_frobnication' is set"),
    "another task": (lambda f: set_key(f, task_type="TOKEN_CLS"), "was trained for TOKEN_CLS"),
    "a decoder's": (lambda f: set_key(f, task_type="CAUSAL_LM"), "was trained for CAUSAL_LM"),
    "no rank": (lambda f: set_key(f, r=None), "'r' must be a number above 0"),
    "another rank": (lambda f: set_key(f, r=7), "do not fit the rank 7"),
    "a wrong shape": (lambda f: change(f, grow_rank), "have the shapes (9, 64)"),
    "a bad pattern": (lambda f: set_key(f, rank_pattern={"(": 3}), "is no pattern with a number"),
    "another base's layers": (lambda f: change(f, rename), "layer.9.attention.self.query', which"),
    "another base's widths": (lambda f: change(f, widen), "is for weights of the shape (96, 64)"),
    "half of a pair": (drop("lora_B.weight"), "one of lora_A and lora_B only"),
    "no head": (
        lambda f: change(f, lambda s: [s.pop(n) for n in list(s) if "classifier" in n]),
        "neither it nor its base holds a head",
    ),
    "half a head": (drop("classifier.bias"), "neither the adapter nor its base holds classifier"),
    "unsaved modules": (lambda f: set_key(f, modules_to_save=["pooler"]), "no weights of it"),
    "strange keys": (
        lambda f: change(f, lambda s: s.update({"query.lora_A": s.pop(key(s, "lora_A.weight"))})),
        "does not begin with 'base_model.model.'",
    ),
    "pickled": (leave_pickle, "adapter_model.bin can run programs"),
    "no settings": (
        lambda f: (f / "adapter_config.json").unlink(),
        "adapter_config.json is missing",
    ),
    "more tokens": (use_other_tokens, "and the merged embeddings have"),
    "a slow tokenizer": (use_slow_tokenizer, "without tokenizer.json; save the fast one"),
    "numbers beyond": (
        lambda f: change(f, lambda s: s[key(s, "lora_A.weight")].fill_(float("nan"))),
        "numbers that are not finite",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), BAD.values(), ids=BAD)
def test_what_cannot_be_merged_is_refused_before_weights_are_read(
    made: dict[str, Path], trained: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(trained)
    with pytest.raises(CheckpointError) as caught:
        merging.plan(made["encoder"], trained, labels=tiny.LABELS)
    assert sentence in str(caught.value)
    assert str(trained) in str(caught.value)
    assert str(caught.value).endswith(".")


def test_an_adapter_that_changes_nothing_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    for number, more in enumerate(({}, {"use_dora": True}, {"bias": "all"})):
        settings = {**QUERY, "modules_to_save": None, **more}
        config = peft.LoraConfig(r=4, **settings)
        base = LOADERS["classifier"].from_pretrained(made["classifier"])
        peft.get_peft_model(base, config).save_pretrained(tmp_path / str(number))
        with pytest.raises(CheckpointError, match="the adapter changes nothing"):
            merging.plan(made["classifier"], tmp_path / str(number))


def test_a_head_is_a_change(made: dict[str, Path], trained: Path) -> None:
    """Of which the encoder was left alone."""
    change(trained, still)
    merging.plan(made["encoder"], trained, labels=tiny.LABELS)


def test_tables_of_an_encoder_decoder_are_left_to_peft(
    made: dict[str, Path], tmp_path: Path
) -> None:
    case = Case("writer", {"task_type": "SEQ_2_SEQ_LM", "target_modules": ["q", "shared"]})
    train(case, made["writer"], tmp_path / "adapter")
    with pytest.raises(CheckpointError, match=r"trains 'shared\.weight', and edgekit merges no"):
        merging.plan(made["writer"], tmp_path / "adapter")


def test_the_labels_of_a_head_are_named_and_never_guessed(
    made: dict[str, Path], trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"3 labels, and neither .* write their names into"):
        merging.plan(made["encoder"], trained)
    with pytest.raises(CheckpointError, match=r"3 labels, and model\.labels names 2"):
        merging.plan(made["encoder"], trained, labels=["a", "b"])
    base = Path(shutil.copytree(made["encoder"], tmp_path / "base"))
    names = {"id2label": {"0": "x", "1": "y", "2": "z"}}
    path = base / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | names))
    assert merging.plan(base, trained).description.labels == ("x", "y", "z")
    (trained / "config.json").write_text(json.dumps({"id2label": {"0": "u", "1": "v", "2": "w"}}))
    assert merging.plan(base, trained).description.labels == ("u", "v", "w")
    assert merging.plan(base, trained, labels=tiny.LABELS).description.labels == tiny.LABELS

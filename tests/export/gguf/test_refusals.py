"""Checkpoints that cannot become a GGUF, or only in part: each is told in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgekit.checkpoint import tensors as tensors_of
from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.decoders import DECODERS
from edgekit.checkpoint.tokenizer import Vocabulary
from edgekit.errors import CheckpointError
from edgekit.export.gguf import convert, generation, hyperparameters, weights
from tests.tiny import llama as tiny_llama

Json = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    for name in ("llama", "llama3", "mistral", "gemma2"):
        (folder / name).mkdir()
        tiny_llama.make_checkpoint(folder / name, name)
    return {name: folder / name for name in ("llama", "llama3", "mistral", "gemma2")}


@pytest.fixture
def checkpoint(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["llama"], tmp_path / "checkpoint"))


def change(path: Path, edit: Callable[[Json], object]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def read(checkpoint: Path) -> Vocabulary:
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    architecture = DECODERS[config["model_type"]]
    return tokenizing.read(checkpoint, rows=config["vocab_size"], architecture=architecture)


def choose(checkpoint: Path) -> list[weights.Written]:
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    architecture = DECODERS[config["model_type"]]
    return weights.choose(
        tensors_of.read(checkpoint),
        architecture,
        hyperparameters.read_shape(config, architecture),
        tied=config["tie_word_embeddings"],
        query_scale=1.0,
    )


def change_weights(checkpoint: Path, edit: Callable[[dict[str, np.ndarray]], object]) -> None:
    path = checkpoint / "model.safetensors"
    found = load_file(path)
    edit(found)
    save_file(found, path)


def test_a_tokenizer_larger_than_the_embedding_is_refused(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    with pytest.raises(CheckpointError, match=r"'<\|im_end\|>' has the number 1002, .* 1002 rows"):
        tokenizing.read(checkpoint, rows=config["vocab_size"] - 1, architecture=DECODERS["llama"])


def test_tokens_of_other_modalities_may_be_beyond_the_embedding(made: dict[str, Path]) -> None:
    """Published tokenizers of Gemma 3 have one; any other such token is refused."""
    checkpoint = made["gemma2"]
    document = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    rows = max(one["id"] for one in document["added_tokens"])
    with pytest.raises(CheckpointError, match="embedding has"):
        tokenizing.read(checkpoint, rows=rows, architecture=DECODERS["gemma3_text"])
    document["added_tokens"][-1]["content"] = "<image_soft_token>"
    document["model"]["vocab"]["<image_soft_token>"] = rows
    (checkpoint / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    found = tokenizing.read(checkpoint, rows=rows, architecture=DECODERS["gemma3_text"])
    assert len(found.tokens) == rows


def test_rows_of_the_embedding_without_a_token_get_names_of_their_own(checkpoint: Path) -> None:
    change(checkpoint / "config.json", lambda config: config.update(vocab_size=1024))
    found = read(checkpoint)
    assert len(set(found.tokens)) == 1024
    assert found.tokens[1010] == "[unused 1010]"


@pytest.mark.parametrize("name", ["eos", "bos", "unk"])
def test_a_special_token_that_is_none_is_refused(checkpoint: Path, name: str) -> None:
    change(
        checkpoint / "tokenizer_config.json", lambda told: told.update({f"{name}_token": "<|fin|>"})
    )
    with pytest.raises(CheckpointError, match=rf"{name}_token is '<\|fin\|>', and tokenizer\.json"):
        read(checkpoint)


def test_a_model_that_cannot_end_an_answer_is_refused(checkpoint: Path) -> None:
    change(checkpoint / "tokenizer_config.json", lambda told: told.pop("eos_token"))
    with pytest.raises(CheckpointError, match="eos_token is missing"):
        read(checkpoint)


def test_all_tokens_that_end_an_answer_are_known(checkpoint: Path) -> None:
    """A fine-tune may end its answers otherwise than its tokenizer says."""
    vocabulary = read(checkpoint)
    found = generation.stops({"eos_token_id": [7, 1002]}, {"eos_token_id": 9}, vocabulary, end=1000)
    assert found == (1000, 1002, 9, 7)
    with pytest.raises(
        CheckpointError, match="'eos_token_id' is 5000, and the tokens are numbered"
    ):
        generation.stops({"eos_token_id": 5000}, {}, vocabulary, end=None)


def test_a_fine_tunes_own_special_tokens_are_carried(checkpoint: Path) -> None:
    """Another token that ends answers than the base model's, said where fine-tunes say it."""
    before = read(checkpoint)
    path = checkpoint / "tokenizer_config.json"
    change(path, lambda told: told.update(eos_token="<|endoftext|>"))
    change(checkpoint / "generation_config.json", lambda told: told.update(eos_token_id=1000))
    after = read(checkpoint)
    assert (before.text("eos"), after.text("eos")) == ("<|im_end|>", "<|endoftext|>")
    assert after.specials["eos"] == 1000
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    settings = generation.read(checkpoint)
    # config.json still says the base model's: both end an answer.
    assert generation.stops(config, settings, after, end=None) == (1000, 1002)
    assert after.tokens == before.tokens


def test_other_tokens_around_a_text_are_refused(made: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = Path(shutil.copytree(made["llama3"], tmp_path / "checkpoint"))
    assert read(checkpoint).add_bos
    change(
        checkpoint / "tokenizer_config.json",
        lambda told: told.update(bos_token="<|start_header_id|>"),
    )
    with pytest.raises(CheckpointError, match="other tokens around a text"):
        read(checkpoint)


def test_a_tokenizer_of_another_kind_is_refused(checkpoint: Path) -> None:
    change(checkpoint / "tokenizer.json", lambda told: told["model"].update(type="Unigram"))
    with pytest.raises(CheckpointError, match="type Unigram, and only BPE"):
        read(checkpoint)


@pytest.mark.parametrize(
    ("architecture", "edit", "message"),
    [
        ("llama", {"hidden_act": "gelu"}, "cannot run 'hidden_act' 'gelu': it runs 'silu'"),
        ("llama", {"rope_scaling": {"rope_type": "longrope"}}, "'rope_scaling' 'longrope'"),
        ("phi3", {"rope_scaling": {"rope_type": "yarn"}}, "for this architecture it runs default"),
        ("llama", {"partial_rotary_factor": 0.5}, "whole heads must be rotated"),
        (
            "llama",
            {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "beta_fast": 16}},
            r"rope_scaling\.beta_fast' 16: it runs 32",
        ),
        ("cohere2", {"attention_bias": True}, "'attention_bias' True: it runs False"),
        ("ernie4_5", {"use_bias": True}, "'use_bias' True: it runs False"),
        ("ministral3", {"rope_scaling": None}, "'rope_scaling' 'default': .* it runs yarn"),
        ("hunyuan_v1_dense", {"rope_scaling": {"rope_type": "llama3"}}, "'rope_scaling' 'llama3'"),
        ("smollm3", {"no_rope_layers": [1, 0]}, r"\[1, 0\]: it rotates .* but every 4th"),
        ("smollm3", {"no_rope_layer_interval": 2}, "it rotates .* but every 4th"),
        ("exaone4", {"sliding_window": 16}, "with 2 layers, .* to a model of 64 layers"),
        ("exaone4", {"num_hidden_layers": 64}, "'sliding_window' None: with 64 layers"),
        ("qwen2", {"head_dim": 32}, "4 heads must make up 64 dimensions"),
        ("llama", {"num_hidden_layers": None}, "'num_hidden_layers' is missing"),
        (
            "phi3",
            {
                "original_max_position_embeddings": 64,
                "rope_scaling": {"type": "su", "long_factor": [1.0], "short_factor": [1.0]},
            },
            "one for every two dimensions",
        ),
    ],
)
def test_what_llama_cpp_computes_otherwise_is_refused(
    architecture: str, edit: Json, message: str
) -> None:
    config: Json = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 1000,
        "num_attention_heads": 4, "max_position_embeddings": 512, **edit,
    }  # fmt: skip
    kind = DECODERS[architecture]
    with pytest.raises(CheckpointError, match=message):
        hyperparameters.read_rope(config, hyperparameters.read_shape(config, kind), kind)


def test_settings_as_transformers_5_writes_them_are_read() -> None:
    config: Json = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 12, "vocab_size": 1000,
        "num_attention_heads": 4, "max_position_embeddings": 512, "head_dim": 16,
        "hidden_activation": "gelu_pytorch_tanh",
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    }  # fmt: skip
    kind = DECODERS["gemma3_text"]
    rope = hyperparameters.read_rope(config, hyperparameters.read_shape(config, kind), kind)
    assert (rope.base, rope.kind, rope.factor) == (1e6, "linear", 8.0)


def test_missing_weights_are_named(checkpoint: Path) -> None:
    change_weights(checkpoint, lambda found: found.pop("model.layers.1.mlp.up_proj.weight"))
    with pytest.raises(CheckpointError, match=r"1 weights are missing \(first: .* blk\.1\.ffn_up"):
        choose(checkpoint)


def test_unknown_weights_are_named(checkpoint: Path) -> None:
    strange = {"model.layers.0.self_attn.q_proj.lora_A.weight": np.zeros((4, 64), np.float32)}
    change_weights(checkpoint, lambda found: found.update(strange))
    with pytest.raises(CheckpointError, match=r"no place for the weights '.*lora_A"):
        choose(checkpoint)


def test_an_embedding_of_another_size_than_the_config_says_is_refused(checkpoint: Path) -> None:
    change(checkpoint / "config.json", lambda config: config.update(vocab_size=1024))
    with pytest.raises(CheckpointError, match=r"shape \(1003, 64\), and config\.json says \(1024"):
        choose(checkpoint)


def test_a_second_matrix_of_tokens_is_written_where_the_config_unties_it(
    checkpoint: Path, made: dict[str, Path]
) -> None:
    assert "output.weight" not in {one.name for one in choose(checkpoint)}
    assert "output.weight" in {one.name for one in choose(made["llama3"])}
    change(checkpoint / "config.json", lambda config: config.update(tie_word_embeddings=False))
    with pytest.raises(CheckpointError, match=r"first: what llama\.cpp calls output\.weight"):
        choose(checkpoint)


@pytest.mark.parametrize("value", [1e5, float("nan"), -float("inf")])
def test_numbers_that_halves_cannot_hold_are_refused(checkpoint: Path, value: float) -> None:
    def spoil(found: dict[str, np.ndarray]) -> None:
        found["model.layers.0.mlp.up_proj.weight"][3, 5] = value

    change_weights(checkpoint, spoil)
    [one] = [one for one in choose(checkpoint) if one.name == "blk.0.ffn_up.weight"]
    with pytest.raises(CheckpointError, match=r"blk\.0\.ffn_up\.weight.* beyond 65,504"):
        list(one.parts())


def test_a_checkpoint_that_is_quantized_already_is_refused(checkpoint: Path) -> None:
    change(
        checkpoint / "config.json",
        lambda config: config.update(quantization_config={"quant_method": "gptq"}),
    )
    with pytest.raises(CheckpointError, match="would be quantized twice"):
        convert.convert(checkpoint, checkpoint / "model.gguf")

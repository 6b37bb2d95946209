"""Checkpoints that continue texts: described, imported, cut and merged as classifiers are."""

from __future__ import annotations

from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from edgekit.build.importing import import_checkpoint
from edgekit.checkpoint import converter
from edgekit.checkpoint.decoders import DECODERS, UNSAID
from edgekit.checkpoint.describe import describe
from edgekit.errors import CheckpointError
from edgekit.tables import Family
from tests.tiny import llama as tiny_llama


def logits(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(input_ids=torch.arange(3, 40)[None]).logits


@pytest.mark.parametrize("architecture", sorted(tiny_llama.ARCHITECTURES))
def test_each_is_described_and_cut(tmp_path: Path, architecture: str) -> None:
    folder = tiny_llama.make_checkpoint(tmp_path / "whole", architecture, layers=3)
    found = describe(folder)
    assert (found.family is Family.DECODER, found.labels, found.layers, found.hidden) == (
        True,
        None,
        3,
        64,
    )
    assert found.max_tokens == tiny_llama.CONTEXT
    assert found.embedding_parameters == found.vocabulary * 64
    cut = tmp_path / "cut"
    cut.mkdir()
    import_checkpoint(folder, cut, layers=2)
    assert describe(cut).layers == 2
    assert describe(cut).parameters < found.parameters
    assert logits(cut).isfinite().all()
    for name in ("chat_template.jinja", "generation_config.json", "tokenizer.json"):
        assert (cut / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_what_config_json_leaves_out_means_what_it_means_to_transformers(kind: str) -> None:
    told = CONFIG_MAPPING[kind]()
    rope = told.rope_parameters or {}
    for key, value in {**UNSAID, **DECODERS[kind].unsaid}.items():
        if key == "rope_theta":
            default = rope.get("rope_theta", getattr(told, "default_theta", None))
            assert value == pytest.approx(default), key
        elif key not in UNSAID or hasattr(told, key):
            assert value == getattr(told, key), key
    names = {*DECODERS[kind].numbers, *DECODERS[kind].only} - {"mlp_bias"}
    assert all(hasattr(told, name) for name in names)


def test_an_adapter_is_merged_in_the_precision_of_the_checkpoint(tmp_path: Path) -> None:
    folder = tiny_llama.make_checkpoint(tmp_path / "base", dtype=torch.bfloat16)
    torch.manual_seed(1)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj", "v_proj"])
    tuned = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    tuned.save_pretrained(tmp_path / "adapter")
    out = tmp_path / "out"
    out.mkdir()
    import_checkpoint(folder, out, adapter=tmp_path / "adapter")
    assert describe(out).weights_bytes < 1.1 * describe(folder).weights_bytes
    with torch.inference_mode():
        wanted = tuned.eval()(input_ids=torch.arange(3, 40)[None]).logits.float()
    assert (logits(folder) - wanted).abs().max() > 1
    assert (logits(out) - wanted).abs().mean() < 0.05 * wanted.std()


def test_other_architectures_need_llama_cpps_own_converter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(converter.VARIABLE, raising=False)
    folder = tmp_path / "gpt2"
    tiny_llama.make_tokenizer(folder, "smollm")
    sizes = {"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 1003, "n_positions": 128}
    config = AutoConfig.for_model("gpt2", **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    with pytest.raises(CheckpointError, match=f"'gpt2' is not one .* set {converter.VARIABLE}"):
        describe(folder)
    monkeypatch.setenv(converter.VARIABLE, str(tmp_path))
    found = describe(folder)
    assert (found.family is Family.DECODER, found.layers, found.hidden, found.heads) == (
        True,
        2,
        64,
        4,
    )
    assert (found.ffn, found.max_tokens) == (256, 128)
    assert found.embedding_parameters == (1003 + 128) * 64


def test_a_misspelt_type_is_refused_with_the_nearest(tmp_path: Path) -> None:
    folder = tiny_llama.make_checkpoint(tmp_path / "base")
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"llama"', '"lama"'))
    with pytest.raises(CheckpointError, match="Did you mean 'llama'"):
        describe(folder)

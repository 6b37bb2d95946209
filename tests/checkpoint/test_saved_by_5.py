"""Checkpoints that transformers 5 saved: read as it reads them, or refused with the reason.

saved_by_5.json holds what transformers 5.24 wrote and answered: make_saved_by_5.py made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgekit.build.importing import import_checkpoint
from edgekit.checkpoint import chat_template, describe, form, models, unread
from edgekit.errors import CheckpointError
from tests.tiny import filled
from tests.tiny import llama as tiny_llama

SAVED: dict[str, Any] = json.loads(Path(__file__).with_name("saved_by_5.json").read_text("utf-8"))
UNSCALED = ("t5 untied", "mt5")
"""transformers 5 ties these, which 4 cannot without scaling."""


def folder_of(case: str, folder: Path) -> Path:
    """The config as transformers 5 wrote it, the weights that it wrote."""
    model = filled.make(case)
    if case in UNSCALED:
        model.lm_head.weight = torch.nn.Parameter(model.get_input_embeddings().weight.clone())
    model.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(SAVED[case]["config"]), encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", filled.CASES)
def test_it_answers_as_transformers_5_does(case: str, tmp_path: Path) -> None:
    folder = folder_of(case, tmp_path)
    family = describe.family_of(describe.read_config(folder), folder)
    if family == "seq2seq":
        model = models.load_seq2seq(folder)
    else:
        model = (
            models.load_decoder(folder) if family == "decoder" else models.load_classifier(folder)
        )
    assert filled.answer(model) == pytest.approx(SAVED[case]["answer"], abs=1e-4)
    assert all("bidirectional" in note for note in unread.notes(folder))


@pytest.mark.parametrize("case", filled.CASES)
def test_a_second_reading_changes_nothing(case: str) -> None:
    once = form.config(SAVED[case]["config"], Path("config.json"))
    assert form.config(once, Path("config.json")) == once


@pytest.mark.parametrize("case", UNSCALED)
def test_a_head_without_weights_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    folder = folder_of(case, tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="a head of its own"):
        models.load_seq2seq(folder)


@pytest.mark.parametrize(
    ("kind", "told", "word"),
    [
        ("llama", {"rope_parameters": {"full_attention": {}, "sliding_attention": {}}}, "rope_par"),
        ("llama", {"rope_parameters": {"rope_type": "default", "new": 1}}, "rope_parameters"),
        ("modernbert", {"layer_types": ["sliding_attention", "full_attention"]}, "layer_types"),
        ("gemma3_text", {"rope_parameters": {"sliding_attention": {"factor": 2.0}}}, "rope_par"),
        ("phi3", {"rope_parameters": {"rope_type": "longrope", "attention_factor": 2}}, "rope_par"),
    ],
)
def test_what_transformers_4_cannot_say_is_refused(
    kind: str, told: dict[str, Any], word: str
) -> None:
    with pytest.raises(CheckpointError, match=f"{word}.*save the checkpoint with transformers 4"):
        form.config({"model_type": kind, **told}, Path("config.json"))


def test_a_key_that_nobody_reads_is_refused_in_a_newer_file_else_named(
    tmp_path: Path,
) -> None:
    config = {**SAVED["bert"]["config"], "attention_sinks": 4}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"'attention_sinks' is 4.*transformers 5\."):
        unread.notes(tmp_path)
    for harmless in (None, False):
        path.write_text(json.dumps({**config, "attention_sinks": harmless}), encoding="utf-8")
        assert "'attention_sinks'" in unread.notes(tmp_path)[0]
    path.write_text(json.dumps({**config, "transformers_version": "4.30.0"}), encoding="utf-8")
    assert "'attention_sinks'" in unread.notes(tmp_path)[0]


def test_a_tokenizer_and_a_chat_template_of_5_are_read(tmp_path: Path) -> None:
    folder = tiny_llama.make_checkpoint(tmp_path / "saved", layers=1)
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text("utf-8"))
    del told["added_tokens_decoder"]
    told |= {
        "backend": "tokenizers",
        "tokenizer_class": "TokenizersBackend",
        "extra_special_tokens": ["<|im_start|>"],
    }
    path.write_text(json.dumps(told), encoding="utf-8")
    out = tmp_path / "imported"
    out.mkdir()
    import_checkpoint(folder, out)
    template = chat_template.read(out)
    assert template == tiny_llama.CHATML
    rendered = chat_template.render(out, template, bos="<|im_start|>", eos="<|im_end|>")
    assert rendered.texts[0].startswith("<|im_start|>user\n")

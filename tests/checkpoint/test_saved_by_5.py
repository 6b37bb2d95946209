"""Checkpoints that transformers 5 saved: read as it reads them, or refused with the reason.

saved_by_5.json holds what transformers 5.24 wrote and answered: make_saved.py made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.build.importing import import_checkpoint
from edgekit.checkpoint import chat_template, describe, form, models, unread
from edgekit.errors import CheckpointError
from tests.tiny import filled
from tests.tiny import llama as tiny_llama

SAVED: dict[str, Any] = json.loads(Path(__file__).with_name("saved_by_5.json").read_text("utf-8"))


def folder_of(case: str, folder: Path) -> Path:
    """The config as transformers 5 wrote it, the weights that it wrote."""
    filled.make(case).save_pretrained(folder)
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
    assert not unread.notes(folder)


@pytest.mark.parametrize("case", filled.CASES)
def test_a_second_reading_changes_nothing(case: str) -> None:
    once = form.config(SAVED[case]["config"], Path("config.json"))
    assert form.config(once, Path("config.json")) == once


def test_a_key_that_nobody_reads_is_refused_in_a_newer_file_else_named(
    tmp_path: Path,
) -> None:
    config = {**SAVED["bert"]["config"], "attention_sinks": 4, "transformers_version": "5.99.0"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"'attention_sinks' is 4.*transformers 5\."):
        unread.notes(tmp_path)
    for harmless in (None, False):
        path.write_text(json.dumps({**config, "attention_sinks": harmless}), encoding="utf-8")
        assert "'attention_sinks'" in unread.notes(tmp_path)[0]
    for known in ("4.30.0", "5.23.0"):
        path.write_text(json.dumps({**config, "transformers_version": known}), encoding="utf-8")
        assert "'attention_sinks'" in unread.notes(tmp_path)[0]


def test_a_tokenizer_and_a_chat_template_of_both_are_read(tmp_path: Path) -> None:
    folder = tiny_llama.make_checkpoint(tmp_path / "saved", layers=1)
    path = folder / "tokenizer_config.json"
    by_5 = path.read_text("utf-8")
    told = json.loads(by_5)
    assert (told.pop("backend"), told["tokenizer_class"]) == ("tokenizers", "TokenizersBackend")
    extra = told.pop("extra_special_tokens", [])
    told |= {"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": extra}
    for name, saved in (("of 5", by_5), ("of 4", json.dumps(told))):
        path.write_text(saved, encoding="utf-8")
        (out := tmp_path / name).mkdir()
        import_checkpoint(folder, out)
        template = chat_template.read(out)
        assert template == tiny_llama.CHATML
        rendered = chat_template.render(out, template, bos="<|im_start|>", eos="<|im_end|>")
        assert rendered.texts[0].startswith("<|im_start|>user\n")

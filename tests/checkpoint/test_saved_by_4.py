"""Checkpoints that transformers 4 saved answer as they did there, or are refused with the reason.

saved_by_4.json and read_by_4.json hold what transformers 4.57.6 wrote and answered: make_saved.py
made them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from edgekit.checkpoint import auto_tokenizer, describe, form, models
from edgekit.errors import CheckpointError
from tests.checkpoint import make_saved
from tests.tiny import filled

HERE = Path(__file__)
SAVED: dict[str, Any] = json.loads(HERE.with_name("saved_by_4.json").read_text("utf-8"))
READ: dict[str, int | None] = json.loads(HERE.with_name("read_by_4.json").read_text("utf-8"))
OWN_HEAD = ("t5 untied", "mt5")
"""transformers 5 makes these with a head that is their embeddings."""
TOKENIZERS = make_saved.tokenizers()


def folder_of(case: str, folder: Path) -> Path:
    """The config as transformers 4 wrote it, and weights of the same names."""
    model = filled.make(case)
    model.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(SAVED[case]["config"]), encoding="utf-8")
    if case in OWN_HEAD:
        path, name = folder / "model.safetensors", "lm_head.weight"
        shape = model.get_input_embeddings().weight.shape
        save_file({**load_file(path), name: filled.matrix(name, shape)}, path, {"format": "pt"})
    assert make_saved.names_of(folder) == SAVED[case]["names"]
    return folder


@pytest.mark.parametrize("case", SAVED)
def test_it_answers_as_transformers_4_did(case: str, tmp_path: Path) -> None:
    folder = folder_of(case, tmp_path)
    models.check(with_tokenizer(folder))
    family = describe.family_of(describe.read_config(folder), folder)
    load: Any = models.load_classifier
    if family == "seq2seq":
        load = models.load_seq2seq
    elif family == "decoder":
        load = models.load_decoder
    assert filled.answer(load(folder)) == pytest.approx(SAVED[case]["answer"], abs=1e-4)


def with_tokenizer(folder: Path) -> Path:
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("case", TOKENIZERS)
def test_texts_are_read_as_transformers_4_read_them(case: str, tmp_path: Path) -> None:
    make_saved.write_tokenizer(tmp_path, *TOKENIZERS[case])
    if READ[case] is None:
        with pytest.raises(CheckpointError, match="transformers cannot load this tokenizer"):
            auto_tokenizer.load(tmp_path)
    else:
        assert make_saved.digest(auto_tokenizer.load(tmp_path)) == READ[case]


@pytest.mark.parametrize(
    "told",
    [
        {"model_type": "bert", "position_embedding_type": "relative_key"},
        {"model_type": "t5", "tie_encoder_decoder": True},
        {"model_type": "mt5", "tie_word_embeddings": True, "transformers_version": "4.57.6"},
    ],
)
def test_what_only_transformers_4_computed_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=f"'{list(told)[1]}'.*transformers 4 computed"):
        form.config(told, Path("config.json"))

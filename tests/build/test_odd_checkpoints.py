"""Checkpoints that are odd in one way each: a plan that a build follows, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.build import rates, speed
from edgekit.cli import main
from tests.tiny import odd

FOLLOWED: dict[str, odd.Make] = {
    "rows beyond the window": odd.long_rows(odd.classifier()),
    "rows beyond the window, to summarize": odd.long_rows(odd.summaries),
    "no limit of the tokenizer": odd.tokenizer(model_max_length=None),
    "no limit of the tokenizer, as transformers writes it": odd.tokenizer(model_max_length=10**30),
    "a limit that is a float": odd.tokenizer(model_max_length=48.0),
    "no limit at all": odd.tokenizer(model_max_length=odd.MISSING),
    "stored in 16 bits": odd.classifier(torch_dtype="float16", dtype="float16"),
    "one layer of qwen2": odd.decoder("qwen2", layers=1),
    "one layer of qwen3": odd.decoder("qwen3", layers=1),
    "one layer of gemma3": odd.decoder("gemma3_text", layers=1),
    "one layer of gemma2": odd.decoder("gemma2", layers=1),
    "no kind of rope": odd.decoder(rope_scaling=None),
    "marian": odd.writer("marian"),
    "mt5": odd.writer("mt5"),
}
WRITERS = {family: odd.writer(family) for family in ("bart", "m2m_100", "mbart", "pegasus", "t5")}

REFUSED: dict[str, tuple[odd.Make, str]] = {
    "a limit in words": (odd.tokenizer(model_max_length="long"), "'model_max_length' is 'long'"),
    "a limit of nothing": (odd.tokenizer(model_max_length=0), "'model_max_length' is 0"),
    "no positions": (odd.classifier(max_position_embeddings=0), "has 0 positions"),
    "layers in words": (odd.classifier(num_hidden_layers="2"), "'num_hidden_layers' is '2'"),
    "quantized encoder": (
        odd.classifier(quantization_config={"quant_method": "bitsandbytes"}),
        "the weights are quantized already (bitsandbytes)",
    ),
    "quantized decoder": (
        odd.decoder(quantization_config={"quant_method": "gptq", "bits": 4}),
        "the weights are quantized already (gptq)",
    ),
    "padding outside the table": (odd.classifier(pad_token_id=-1), "'pad_token_id' is -1"),
    "unknown activation": (
        odd.classifier(hidden_act="odd"),
        "'hidden_act' is 'odd', which it does not know",
    ),
    "heads that do not divide": (odd.classifier(num_attention_heads=5), "not a multiple"),
    "a share in words": (odd.classifier(hidden_dropout_prob="x"), "transformers"),
    "no kinds of tokens": (odd.classifier(type_vocab_size=0), "transformers"),
    "unknown rope": (
        odd.decoder(rope_scaling={"rope_type": "ntk", "factor": 2.0}),
        "'rope_scaling.rope_type' is 'ntk', which it does not know",
    ),
    "unknown rope, as it was written": (
        odd.decoder(rope_scaling={"type": "ntk", "factor": 2.0}),
        "'rope_scaling.type' is 'ntk', which it does not know",
    ),
    "key heads that do not divide": (odd.decoder(num_key_value_heads=3), "transformers"),
    "a head on bart": (odd.with_head(odd.bart), "bart, could write others ("),
    "a head on bart, to summarize": (
        odd.with_head(odd.bart, task="summarization"),
        "bart, could write others (",
    ),
    "a head on qwen2": (odd.with_head(odd.qwen2), "qwen2, could continue them ("),
    "a head on t5": (odd.with_head(odd.t5), "t5, could write others ("),
    "no data to classify": (odd.without_data(odd.classifier()), "data has neither"),
    "no data to summarize": (odd.without_data(odd.summaries), "data names no rows"),
    "no data to write": (odd.without_data(odd.writer("t5")), "data names no rows"),
    "no data to chat": (odd.without_data(odd.decoder()), "data names"),
    "one class": (odd.one_class, "carry the label 'heat', and a classifier learns to tell two"),
}


@pytest.fixture(autouse=True)
def _measured_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is whether a layer can be timed, not how long it takes."""
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(rates, "MEASURED_TOKENS", 64)


@pytest.mark.parametrize("make", FOLLOWED.values(), ids=FOLLOWED.keys())
def test_an_odd_checkpoint_has_a_plan(
    make: odd.Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _is_planned(make, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("make", WRITERS.values(), ids=WRITERS.keys())
def test_a_summarizer_of_one_layer_has_a_plan(
    make: odd.Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _is_planned(make, tmp_path, capsys)


def test_a_layer_that_cannot_be_timed_is_estimated_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # No token fits so small a table: the toy breaks, and the checkpoint does not.
    monkeypatch.setattr(speed, "SMALL_VOCABULARY", 1)
    recipe = odd.classifier(layer_norm_eps=1e-6)(tmp_path / "odd")
    assert main(["plan", str(recipe), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "estimated from the numbers of parameters and tokens" in said
    assert main(["plan", str(recipe), "--device", "cpu", "--json"]) == 0
    [note] = json.loads(capsys.readouterr().out)["notes"]
    assert note in said


def _is_planned(make: odd.Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(make(tmp_path / "odd")), "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["notes"] == []
    assert all(step["seconds"] >= 0 for step in told["steps"])


@pytest.mark.slow
@pytest.mark.parametrize("make", FOLLOWED.values(), ids=FOLLOWED.keys())
def test_a_build_follows_the_plan_of_an_odd_checkpoint(make: odd.Make, tmp_path: Path) -> None:
    assert main(["compress", str(make(tmp_path / "odd")), "--device", "cpu"]) == 0


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_built_is_one_sentence_of_plan_and_compress_alike(
    make: odd.Make, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make(tmp_path / "odd")
    said = []
    for command in ("plan", "compress"):
        assert main([command, str(recipe), "--device", "cpu"]) == 1
        said.append(capsys.readouterr().err)
    assert sentence in said[0]
    assert said[0] == said[1]
    assert "\n" not in said[0].strip()

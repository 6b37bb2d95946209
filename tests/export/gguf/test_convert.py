"""Every architecture as a GGUF that reads and predicts as its checkpoint does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from edgekit.checkpoint.decoders import DECODERS, Architecture
from edgekit.checkpoint.tokenizer import Vocabulary
from edgekit.errors import ExportError
from edgekit.export.gguf import convert, parity, trials
from edgekit.export.gguf.origin import Origin
from edgekit.system import child
from tests.tiny import llama as tiny_llama

TEXTS = tiny_llama.texts(("en", "ar", "zh", "th"), of_each=1)
FURTHER: dict[str, dict[str, Any]] = {
    "biases": {
        "architecture": "llama",
        "config": {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4},
    },
    "linear": {
        "architecture": "llama",
        "config": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    },
    "llama3-rope": {
        "architecture": "llama3",
        "config": {
            "rope_theta": 500000.0,
            "head_dim": 32,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
    },
    "yarn": {
        "architecture": "qwen2",
        "config": {
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 128,
                "attention_factor": 1.3,
            }
        },
    },
    "dynamic": {
        "architecture": "qwen3",
        "config": {"rope_scaling": {"rope_type": "dynamic", "factor": 4.0}},
        "tied": False,
    },
    "longrope": {
        "architecture": "phi3",
        "config": {
            # llama.cpp makes its contexts of 256 tokens at least, and chooses factors by them.
            "original_max_position_embeddings": 256,
            "rope_scaling": {
                "type": "longrope",
                "long_factor": [4.0] * 8,
                "short_factor": [1.0 + 0.2 * number for number in range(8)],
            },
        },
    },
    "gemma-scaled": {
        "architecture": "gemma3_text",
        "config": {
            "query_pre_attn_scalar": 48,
            "layer_types": ["full_attention", "sliding_attention"],
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    },
    "mistral-window": {"architecture": "mistral", "config": {"sliding_window": 128}},
    "gemma2-scaled": {"architecture": "gemma2", "config": {"query_pre_attn_scalar": 20}},
    "apertus-tied": {
        "architecture": "apertus",
        "config": {"attention_bias": True, "rope_parameters": {"rope_type": "default",
                                                               "rope_theta": 1e4}},
        "tied": True,
    },
    "cohere2-layers": {
        "architecture": "cohere2",
        "layers": 3,
        "config": {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
    },
    "exaone4-windows": {
        "architecture": "exaone4",
        "hidden": 32,
        "layers": 64,  # llama.cpp knows by this number that it has windows
        "dtype": torch.float16,
        "config": {
            "sliding_window": 16,
            "layer_types": None,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 1e6,
                "factor": 16.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
    },
    "granite-biases": {
        "architecture": "granite",
        "config": {"attention_bias": True, "mlp_bias": True},
        "tied": False,
    },
    "hunyuan-alpha": {
        "architecture": "hunyuan_v1_dense",
        "config": {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "alpha": 1e3,
                                       "factor": 1.0}},
    },
    "ministral3-mscale": {
        "architecture": "ministral3",
        "config": {
            "sliding_window": 64,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1e6,
                "factor": 16.0,
                "original_max_position_embeddings": 16,
                "mscale": 1.0,
                "mscale_all_dim": 0.5,
                "llama_4_scaling_beta": 0.1,
            },
        },
    },
    "olmo2-tied": {
        "architecture": "olmo2",
        "config": {"rope_scaling": {"rope_type": "yarn", "factor": 8.0,
                                    "original_max_position_embeddings": 64}},
        "tied": True,
    },
    "smollm3-deep": {"architecture": "smollm3", "layers": 5, "tied": False},
}  # fmt: skip
# One for each tokenizer: what is proven of that and its template is proven but once.
WITH_TEMPLATE = ("llama", "mistral", "qwen2", "gemma3_text", "phi3")
WITH_OTHER_TOKENIZERS = (
    "apertus", "cohere2", "ernie4_5", "exaone4", "granite", "hunyuan_v1_dense", "ministral3",
    "olmo2", "smollm3",
)  # fmt: skip
"""Their own tokenizers and templates are proven by a slow test; here they borrow one."""


@dataclass(frozen=True)
class Converted:
    checkpoint: Path
    model: Path
    record: Mapping[str, Any]


def convert_tiny(folder: Path, *, template: bool, **settings: Any) -> Converted:
    checkpoint, model = folder / "checkpoint", folder / "model.gguf"
    checkpoint.mkdir(parents=True)
    tiny_llama.make_checkpoint(checkpoint, **settings)
    if not template:
        (checkpoint / "chat_template.jinja").unlink()
    return Converted(checkpoint, model, convert.convert(checkpoint, model))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Converted]:
    folder = tmp_path_factory.mktemp("converted")
    known: dict[tuple[str, ...], trials.Found] = {}
    find = trials.find

    def find_once(checkpoint: Path, vocabulary: Vocabulary, kind: Architecture) -> trials.Found:
        if vocabulary.tokens not in known:
            known[vocabulary.tokens] = find(checkpoint, vocabulary, kind)
        return known[vocabulary.tokens]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "find", find_once)
        found = {
            name: convert_tiny(
                folder / name, template=True, architecture=name, dtype=torch.bfloat16
            )
            for name in WITH_TEMPLATE
        }
        patch.setattr(trials, "prove", lambda *proven: None)
        others = {name: {"architecture": name} for name in tiny_llama.ARCHITECTURES} | FURTHER
        for name, settings in others.items():
            if settings["architecture"] in WITH_OTHER_TOKENIZERS:
                settings = {**settings, "vocabulary": "smollm"}
            if name not in found:
                found[name] = convert_tiny(folder / name, template=False, **settings)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("apertus", "</s>"),
        ("cohere2", "<|END_OF_TURN_TOKEN|>"),
        ("ernie4_5", "</s>"),
        ("exaone4", "[|endofturn|]"),
        ("granite", "<|end_of_text|>"),
        ("hunyuan_v1_dense", "<｜hy_place▁holder▁no▁2｜>"),
        ("ministral3", "</s>"),
        ("olmo2", "<|endoftext|>"),
        ("smollm3", "<|im_end|>"),
    ],
)
def test_its_own_tokenizer_and_template_are_proven(name: str, end: str, tmp_path: Path) -> None:
    one = convert_tiny(tmp_path, template=True, architecture=name, layers=4, dtype=torch.bfloat16)
    assert one.record["tokenizer"]["proven"]["tokens"] > 50_000
    assert one.record["chat"]["end"] == end
    assert one.record["chat"]["conversations"] >= 14
    assert one.record["notes"] == []
    proof = parity.prove(one.checkpoint, one.model, texts=TEXTS, threads=1)
    assert proof["kld"] < 1e-5


@pytest.fixture(scope="module")
def compared(converted: Mapping[str, Converted]) -> Any:
    pairs = {name: (str(one.checkpoint), str(one.model), TEXTS) for name, one in converted.items()}
    pairs["another"] = (pairs["linear"][0], pairs["llama"][1], TEXTS)
    return child.ask(
        "tests.export.gguf.parity_of_many", "compare", {"pairs": pairs}, doing="comparing"
    )


def test_every_architecture_is_here(converted: Mapping[str, Converted]) -> None:
    assert set(DECODERS) <= set(converted)


@pytest.mark.parametrize("name", [*tiny_llama.ARCHITECTURES, *FURTHER])
def test_it_predicts_as_the_checkpoint_does(name: str, compared: Mapping[str, Any]) -> None:
    assert compared[name]["kld"] < 1e-5
    assert compared[name]["tokens"] == 48 * len(TEXTS)


@pytest.mark.parametrize("name", [*tiny_llama.ARCHITECTURES, *FURTHER])
def test_the_record_says_what_the_runtime_remembers_of_a_token(
    name: str, compared: Mapping[str, Any], converted: Mapping[str, Converted]
) -> None:
    """Also where layers look at a window: the runtime keeps it all, to go back to any turn."""
    told = converted[name].record["kv_bytes_per_token"]
    assert compared[name]["remembered"] == pytest.approx(told, rel=0.01)


def test_another_model_is_no_equal(compared: Mapping[str, Any]) -> None:
    """One that differs in the scaling of its positions alone."""
    assert compared["another"]["kld"] > 10 * parity.MOST_DIVERGENCE


def test_a_file_that_predicts_otherwise_is_refused(
    converted: Mapping[str, Converted],
    compared: Mapping[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the child found is known already; to ask it again would load torch once more."""
    monkeypatch.setattr(child, "ask", lambda *asked, **told: dict(compared["another"]))
    checkpoint, model = converted["linear"].checkpoint, converted["llama"].model
    with pytest.raises(ExportError, match=r"diverge by .* nats a token .* text '"):
        parity.prove(checkpoint, model, texts=TEXTS, threads=1)


def test_the_record_says_what_was_proven(converted: Mapping[str, Converted]) -> None:
    record = converted["qwen2"].record
    assert record["architecture"] == "qwen2"
    assert record["context"] == tiny_llama.CONTEXT
    assert (
        record["kv_bytes_per_token"] == 2 * 2 * 2 * 2 * 16
    )  # halves, k and v, layers, heads, width
    assert record["tokenizer"]["normalize"] == "NFC"
    assert record["tokenizer"]["proven"]["tokens"] > 50_000
    assert (record["tokenizer"]["bos"], record["tokenizer"]["eos"]) == ("", "<|im_end|>")
    assert record["chat"]["conversations"] == 18
    assert converted["gemma3_text"].record["chat"]["end"] == "<end_of_turn>"
    assert converted["mistral"].record["chat"]["refused"] == 4  # those with a system's message
    assert converted["gemma2"].record["chat"] is None


def test_the_context_ends_where_llama_cpp_would_answer_otherwise(
    converted: Mapping[str, Converted],
) -> None:
    """It runs Mistral without the sliding window, which changes nothing within the window."""
    notes = converted["mistral-window"].record["notes"]
    assert converted["mistral-window"].record["context"] == 128
    assert "without its sliding window" in notes[0]
    assert "there is no chat template" in notes[1]
    assert "long factors" in converted["longrope"].record["notes"][0]
    assert converted["ministral3-mscale"].record["context"] == 64


def test_the_same_checkpoint_gives_the_same_bytes(
    converted: Mapping[str, Converted], tmp_path: Path
) -> None:
    one = converted["llama"]
    told: list[float] = []
    record = convert.convert(one.checkpoint, tmp_path / "again.gguf", on_progress=told.append)
    assert (tmp_path / "again.gguf").read_bytes() == one.model.read_bytes()
    assert record == one.record
    assert told == sorted(told)
    assert told[-1] == 1.0


CARD = "---\nlicense: apache-2.0\nbase_model: example/Tiny-1M-Instruct\n---\n"


@pytest.fixture
def named(tmp_path: Path) -> Path:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    tiny_llama.make_checkpoint(checkpoint)
    (checkpoint / "README.md").write_text(CARD, encoding="utf-8")
    return checkpoint


def general(model: Path) -> dict[str, Any]:
    """What the header says of the model itself, as ggml's own reader reads it."""
    fields = gguf.GGUFReader(model).fields
    return {
        name.removeprefix("general."): field.contents()
        for name, field in fields.items()
        if name.startswith("general.")
    }


def test_the_header_says_which_model_it_is(named: Path, tmp_path: Path) -> None:
    record = convert.convert(named, tmp_path / "model.gguf", languages=["en", "sw"])
    said = general(tmp_path / "model.gguf")
    assert said["name"] == "Tiny-1M-Instruct"
    assert said["license"] == "apache-2.0"
    assert said["languages"] == ["en", "sw"]
    assert said["base_model.0.name"] == "Tiny-1M-Instruct"
    assert said["base_model.0.organization"] == "example"
    assert said["file_type"] == gguf.LlamaFileType.MOSTLY_F16
    thousands = round(record["parameters"] / 1000)
    assert said["size_label"] == f"{thousands}K"


def test_what_the_card_does_not_name_is_not_made_up(converted: Mapping[str, Converted]) -> None:
    said = general(converted["llama"].model)
    assert said["name"] == "llama"
    assert not {"languages", "base_model.count"} & set(said)


def test_a_name_that_llama_cpp_reads_is_not_changed(tmp_path: Path) -> None:
    """It drops spaces after special tokens where the name says Phi-3, and elsewhere not."""
    of = partial(Origin, licence="mit", languages=(), parameters=1000)
    for name, tried, written in (
        ("example/Phi-3-mini", "phi-3", "Phi-3-mini"),
        ("example/my-model", "phi-3", "phi-3"),
        ("example/not-phi3", "llama", "llama"),
        ("my-model", "llama", "my-model"),
    ):
        writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
        of(name).add_to(writer, tried=tried)
        assert writer.kv_data[0]["general.name"].value == written

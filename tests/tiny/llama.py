"""Tiny random decoders of every architecture, with small real tokenizers and chat templates."""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from edgekit.data import declaration

CONTEXT = 512
LANGUAGES = ("en", "fr", "sw", "ru", "ar", "hi", "th", "zh", "ja", "ko", "el", "am")
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ message['content'] + eos_token }}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
PHI3 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + "
    "'<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}"
    "{% else %}{{ eos_token }}{% endif %}"
)
COHERE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|START_OF_TURN_TOKEN|>' }}"
    "{% if message['role'] == 'assistant' %}{{ '<|CHATBOT_TOKEN|>' }}{% elif message['role'] == "
    "'system' %}{{ '<|SYSTEM_TOKEN|>' }}{% else %}{{ '<|USER_TOKEN|>' }}{% endif %}"
    "{{ message['content'] + '<|END_OF_TURN_TOKEN|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}"
)
EXAONE = (
    "{% for message in messages %}{{ '[|' + message['role'] + '|]' + message['content'] }}"
    "{% if message['role'] == 'user' %}{{ '\n' }}{% else %}{{ '[|endofturn|]\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
)
ERNIE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ 'User: ' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}"
    "{{ 'Assistant: ' + message['content'] + eos_token }}{% else %}{{ message['content'] + '\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"
)
GRANITE = (
    "{% for message in messages %}{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + "
    "message['content'] + '<|end_of_text|>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)
HUNYUAN = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<｜hy_User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}"
    "{{ '<｜hy_Assistant｜>' + message['content'] + eos_token }}{% else %}"
    "{{ message['content'] + '<｜hy_place▁holder▁no▁3｜>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜hy_Assistant｜>' }}{% endif %}"
)
OLMO = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + "
    "message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
_LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2_SPLIT = _LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_BEFORE, _REST = r"[^\r\n\p{L}\p{N}]?", r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Mistral's since 2024.
_TEKKEN_SPLIT = rf"{_BEFORE}{_UPPER}*{_LOWER}+|{_BEFORE}{_UPPER}+{_LOWER}*|\p{{N}}{_REST}"
_ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_GPT4O_SPLIT = (
    rf"{_BEFORE}{_UPPER}*{_LOWER}+{_ENDS}|{_BEFORE}{_UPPER}+{_LOWER}*{_ENDS}|\p{{N}}{{1,3}}{_REST}"
)
_AYA_DIGITS = r"\d{1,3}(?=(?:\d{3})*\b)"
_HUNYUAN_SPLITS = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
_GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One kind of tokenizer: how it splits, its special tokens and its template."""

    kind: Literal["bytes", "sentencepiece"]
    template: str
    bos: str | None
    eos: str
    unk: str | None = None
    added: tuple[str, ...] = ()
    """Special tokens beside bos, eos and unk."""
    add_bos: bool = False
    split: str | tuple[str, ...] | None = None
    """Of byte-level BPE: the pattern that text is cut by, or several, one after the other; GPT-2's,
    digits apart, unless given."""
    nfc: bool = False
    strips: bool = False
    """The tokens of `added` take the spaces that follow them."""
    space_before: bool = True
    """Of SentencePiece: a space is set before every text."""


SMOLLM = Vocabulary("bytes", CHATML, "<|im_start|>", "<|im_end|>", "<|endoftext|>")
VOCABULARIES = {
    "smollm": SMOLLM,
    "llama3": Vocabulary(
        "bytes",
        LLAMA3,
        "<|begin_of_text|>",
        "<|eot_id|>",
        added=("<|start_header_id|>", "<|end_header_id|>"),
        add_bos=True,
        split=_LLAMA3_SPLIT,
    ),
    "qwen2": Vocabulary(
        "bytes", CHATML, None, "<|im_end|>", added=("<|im_start|>",), split=_QWEN2_SPLIT, nfc=True
    ),
    "tekken": Vocabulary(
        "bytes",
        MISTRAL,
        "<s>",
        "</s>",
        "<unk>",
        added=("[INST]", "[/INST]"),
        add_bos=True,
        split=_TEKKEN_SPLIT,
    ),
    "aya": Vocabulary(
        "bytes",
        COHERE,
        "<BOS_TOKEN>",
        "<|END_OF_TURN_TOKEN|>",
        "<UNK>",
        added=(
            "<|START_OF_TURN_TOKEN|>",
            "<|USER_TOKEN|>",
            "<|CHATBOT_TOKEN|>",
            "<|SYSTEM_TOKEN|>",
        ),
        add_bos=True,
        split=(_AYA_DIGITS, _GPT4O_SPLIT),
    ),
    "exaone": Vocabulary(
        "bytes",
        EXAONE,
        "[BOS]",
        "[|endofturn|]",
        "[UNK]",
        added=("[|system|]", "[|user|]", "[|assistant|]"),
        split=_GPT2_SPLIT,
        nfc=True,
    ),
    "ernie": Vocabulary("sentencepiece", ERNIE, "<s>", "</s>", "<unk>", space_before=False),
    "granite": Vocabulary(
        "bytes",
        GRANITE,
        "<|end_of_text|>",
        "<|end_of_text|>",
        added=("<|start_of_role|>", "<|end_of_role|>"),
    ),
    "hunyuan": Vocabulary(
        "bytes",
        HUNYUAN,
        "<｜hy_begin▁of▁sentence｜>",
        "<｜hy_place▁holder▁no▁2｜>",
        added=("<｜hy_User｜>", "<｜hy_Assistant｜>", "<｜hy_place▁holder▁no▁3｜>"),
        split=_HUNYUAN_SPLITS,
    ),
    "olmo2": Vocabulary(
        "bytes",
        OLMO,
        "<|endoftext|>",
        "<|endoftext|>",
        added=("<|system|>", "<|user|>", "<|assistant|>"),
        split=_LLAMA3_SPLIT,
    ),
    "smollm3": Vocabulary(
        "bytes", CHATML, None, "<|im_end|>", added=("<|im_start|>",), split=_LLAMA3_SPLIT
    ),
    "mistral": Vocabulary("sentencepiece", MISTRAL, "<s>", "</s>", "<unk>", add_bos=True),
    "gemma": Vocabulary(
        "sentencepiece",
        GEMMA,
        "<bos>",
        "<eos>",
        "<unk>",
        added=("<start_of_turn>", "<end_of_turn>"),
        add_bos=True,
        space_before=False,
    ),
    "phi3": Vocabulary(
        "sentencepiece",
        PHI3,
        "<s>",
        "<|endoftext|>",
        "<unk>",
        added=("</s>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        strips=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Decoder:
    """One architecture: its tokenizer, and what its config says beyond the sizes."""

    vocabulary: str
    config: Mapping[str, Any] = field(default_factory=dict)
    tied: bool = True
    kind: str | None = None
    """The type of every layer, for those whose own default is none without a window."""


ARCHITECTURES = {
    "llama": Decoder("smollm"),
    "llama3": Decoder("llama3", {"model_type": "llama"}, tied=False),
    "mistral": Decoder("mistral", {"head_dim": 32, "sliding_window": None}, tied=False),
    "qwen2": Decoder("qwen2"),
    "qwen3": Decoder("qwen2", {"head_dim": 32}),
    "gemma2": Decoder("gemma", {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16}),
    "gemma3_text": Decoder(
        "gemma", {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16}
    ),
    "phi3": Decoder("phi3", {"pad_token_id": 0}, tied=False),
    "apertus": Decoder("tekken", {"pad_token_id": 0}, tied=False),
    "cohere2": Decoder("aya", {"pad_token_id": 0, "sliding_window": 16, "logit_scale": 0.5}),
    "ernie4_5": Decoder("ernie", {"head_dim": 32}),
    "exaone4": Decoder("exaone", {"sliding_window": None}, kind="full_attention"),
    "granite": Decoder(
        "granite",
        {
            "attention_multiplier": 0.2,
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.4,
            "logits_scaling": 2.0,
        },
    ),
    "hunyuan_v1_dense": Decoder("hunyuan", {"head_dim": 32}),
    "ministral3": Decoder(
        "tekken",
        {
            "head_dim": 32,
            "pad_token_id": 0,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1e6,
                "factor": 16.0,
                "original_max_position_embeddings": 16,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
                "llama_4_scaling_beta": 0.5,
            },
        },
        tied=False,
    ),
    "olmo2": Decoder("olmo2", {"pad_token_id": 0}, tied=False),
    "smollm3": Decoder("smollm3", {"pad_token_id": 0}),
}

_MIXED = ["sliding_attention", "full_attention"] * 2
HYBRIDS = {
    "lfm2": Decoder(
        "smollm3",
        {
            "layer_types": ["conv", "full_attention"] * 2,
            "block_auto_adjust_ff_dim": False,
            "pad_token_id": 0,
        },
    ),
    "qwen3_5_text": Decoder(
        "qwen2",
        {
            "head_dim": 32,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 64,
            "linear_value_head_dim": 64,
        },
    ),
    "gemma3n_text": Decoder(
        "gemma",
        {
            "head_dim": 32,
            "intermediate_size": 1024,
            "sliding_window": 16,
            "layer_types": _MIXED,
            "num_kv_shared_layers": 0,
            # llama.cpp's own numbers, whatever config.json says.
            "hidden_size_per_layer_input": 256,
            "laurel_rank": 64,
            "activation_sparsity_pattern": [0.95] * 4,
        },
    ),
    "gemma4_text": Decoder(
        "gemma",
        {
            "head_dim": 32,
            "global_head_dim": 64,
            "sliding_window": 16,
            "layer_types": _MIXED,
            "num_kv_shared_layers": 0,
            "hidden_size_per_layer_input": 16,
        },
    ),
}
"""Those of four layers that llama.cpp's own converter writes."""


def make_checkpoint(
    folder: Path,
    architecture: str = "llama",
    *,
    hidden: int = 64,
    layers: int = 2,
    tied: bool | None = None,
    vocabulary: str | None = None,
    dtype: torch.dtype = torch.float32,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """A random decoder with its tokenizer, or with another of VOCABULARIES; `config` overrides keys
    of config.json.

    Norms and biases are random too, and weights large enough that predictions are far from even.
    """
    chosen = {**ARCHITECTURES, **HYBRIDS}[architecture]
    tokenizer = make_tokenizer(folder, vocabulary or chosen.vocabulary)
    kinds = {} if chosen.kind is None else {"layer_types": [chosen.kind] * layers}
    settings = {
        "model_type": architecture,
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": chosen.tied if tied is None else tied,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **chosen.config,
        **kinds,
        **(config or {}),
    }
    if "hidden_size_per_layer_input" in settings:
        settings["vocab_size_per_layer_input"] = len(tokenizer)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings))
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.1 if parameter.ndim == 1 else 1.2 * parameter.shape[-1] ** -0.5
            noise = spread * torch.randn_like(parameter)
            parameter.copy_(parameter + noise if parameter.ndim == 1 else noise)
    model.to(dtype).save_pretrained(folder)
    (folder / "LICENSE").write_text("Made in a test; anybody may do anything with it.\n")
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\nA tiny decoder.\n")
    return folder


def make_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerFast:
    """One of VOCABULARIES, trained on the Universal Declaration in a few languages."""
    vocabulary = VOCABULARIES[name]
    tokenizer = Tokenizer.from_str(_trained(name))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=vocabulary.bos,
        eos_token=vocabulary.eos,
        unk_token=vocabulary.unk,
        pad_token=vocabulary.eos,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = vocabulary.template
    fast.save_pretrained(folder)
    return fast


def texts(languages: Sequence[str] = LANGUAGES, *, of_each: int = 2) -> list[str]:
    """Long paragraphs of the Declaration, the same number in every language."""
    return [
        text
        for language in languages
        for text in sorted(declaration.paragraphs(language), key=len)[-of_each:]
    ]


@cache
def _trained(name: str) -> str:
    vocabulary = VOCABULARIES[name]
    if vocabulary.kind == "bytes":
        tokenizer = _byte_level(vocabulary)
    else:
        tokenizer = _sentencepiece(vocabulary)
    first = [token for token in (vocabulary.unk, vocabulary.bos, vocabulary.eos) if token]
    tokenizer.add_special_tokens(
        [
            AddedToken(token, normalized=False, rstrip=vocabulary.strips and token not in first)
            for token in [*first, *vocabulary.added]
        ]
    )
    if vocabulary.add_bos and vocabulary.bos:
        tokenizer.post_processor = TemplateProcessing(
            single=f"{vocabulary.bos} $A",
            pair=f"{vocabulary.bos} $A {vocabulary.bos} $B",
            special_tokens=[(vocabulary.bos, tokenizer.token_to_id(vocabulary.bos))],
        )
    return str(tokenizer.to_str())


def _lines() -> list[str]:
    return [line for language in LANGUAGES for line in declaration.paragraphs(language)[:12]]


def _byte_level(vocabulary: Vocabulary) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if vocabulary.nfc:
        tokenizer.normalizer = normalizers.NFC()
    patterns = (vocabulary.split,) if isinstance(vocabulary.split, str) else vocabulary.split
    splits: list[Any] = (
        [pre_tokenizers.Digits(individual_digits=True)]
        if patterns is None
        else [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    )
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=vocabulary.split is None)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, bytes_])
    tokenizer.decoder = ByteLevelDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(), trainer)
    return tokenizer


def _sentencepiece(vocabulary: Vocabulary) -> Tokenizer:
    """BPE with byte fallback as transformers makes it from a SentencePiece model."""
    scheme = "always" if vocabulary.space_before else "never"
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    characters = _alphabet()
    # Rarer characters are left to bytes; to leave them to the trainer's limit is to leave it to
    # chance which of equally rare ones stay.
    lines = ["".join(c if c in characters else " " for c in line) for line in _lines()]
    trainer = trainers.BpeTrainer(vocab_size=1000, initial_alphabet=characters, show_progress=False)
    trained.train_from_iterator(lines, trainer)
    document = json.loads(trained.to_str())
    learnt = ["".join(merge) for merge in document["model"]["merges"]]
    first = [token for token in (vocabulary.unk, vocabulary.bos, vocabulary.eos) if token]
    of_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    # As a real SentencePiece model of this size does, it can spell several spaces and line breaks.
    pieces = list(dict.fromkeys([*first, *of_bytes, *learnt, "▁▁", "▁▁▁▁", *characters]))
    ids = {piece: number for number, piece in enumerate(pieces)}
    steps: list[Any] = [normalizers.Replace(" ", "▁")]
    if vocabulary.space_before:
        steps.insert(0, normalizers.Prepend("▁"))
    model = models.BPE(
        vocab=ids,
        merges=_all_merges([*learnt, "▁▁", "▁▁▁▁"], ids),
        unk_token=vocabulary.unk,
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(steps)
    return tokenizer


def _alphabet() -> list[str]:
    """ASCII and the characters that the texts use most."""
    counts = Counter("".join(_lines()))
    common = sorted(counts, key=lambda character: (-counts[character], character))[:400]
    return sorted(
        {*string.ascii_letters, *string.digits, *string.punctuation, *common, "▁"} - {" "}
    )


def _all_merges(learnt: Sequence[str], ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """Every way to make a piece of two pieces, in the order of the pieces."""
    merges = []
    for piece in dict.fromkeys(learnt):
        cuts = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        known = [cut for cut in cuts if cut[0] in ids and cut[1] in ids]
        merges.extend(sorted(known, key=lambda cut: (ids[cut[0]], ids[cut[1]])))
    return merges

"""Tiny checkpoints with settings drawn by hypothesis, and what transformers makes of them."""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

from edgekit.checkpoint import auto_tokenizer
from edgekit.errors import CheckpointError
from tests.tiny import encoder as tiny
from tests.tiny import filled
from tests.tiny import llama as tiny_llama

ENCODERS = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "electra", "albert",
            "distilbert", "deberta-v2", "modernbert", "eurobert", "gte")  # fmt: skip
DECODERS = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3")
SEQ2SEQ = ("t5", "mt5", "bart", "mbart", "pegasus", "marian", "m2m_100")
TEXTS = (
    "Turn UP the Heating", "éteins la Lumière", "e\u0301teins", "شغل أغنية", "关灯",
    "  two  spaces\n", "<new0> lamp<new1>", "A", "lamp " * 40,
)  # fmt: skip
READ_BY = (
    ("unigram", "PreTrainedTokenizerFast"),
    ("unigram", "XLMRobertaTokenizerFast"),
    ("unigram", "LlamaTokenizerFast"),
    ("wordpiece", "BertTokenizer"),
    ("wordpiece", "PreTrainedTokenizerFast"),
    ("bytes", "GPT2TokenizerFast"),
    ("bytes", "LlamaTokenizerFast"),
    ("bytes", "PreTrainedTokenizerFast"),
    ("bytes", "RobertaTokenizer"),
    ("bytes", "BertTokenizerFast"),
    ("unigram", None),
)
BPE = (
    *(one for one in READ_BY if one[0] == "bytes"),
    ("sentencepiece", "LlamaTokenizerFast"),
    ("sentencepiece", "PreTrainedTokenizerFast"),
    ("sentencepiece", None),
)
_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


@dataclass(frozen=True)
class Drawn:
    """The settings of one checkpoint."""

    kind: str
    read_by: tuple[str, str | None]
    """The kind of tokenizer.json, and tokenizer_class; None leaves that to config.json."""
    told: tuple[tuple[str, Any], ...]
    """Keys of tokenizer_config.json that may overrule tokenizer.json."""
    ends: str
    """What tokenizer.json sets around a text: none, begin, both."""
    padding: int
    positions: int
    added: int
    resized: bool
    tied: bool
    by_5: bool
    theta: float


def drawn(kinds: Sequence[str]) -> st.SearchStrategy[Drawn]:
    """Checkpoints of these kinds; decoders have the tokenizers that a GGUF can hold."""
    read_by = BPE if set(kinds) <= set(DECODERS) else READ_BY
    told = st.fixed_dictionaries(
        {},
        optional={
            "do_lower_case": st.booleans(),
            "strip_accents": st.sampled_from([None, True, False]),
            "add_prefix_space": st.booleans(),
            "add_bos_token": st.booleans(),
            "add_eos_token": st.booleans(),
            "padding_side": st.sampled_from(["left", "right"]),
            "truncation_side": st.sampled_from(["left", "right"]),
            "model_max_length": st.sampled_from([12, 10**30]),
        },
    )
    return st.builds(
        Drawn,
        kind=st.sampled_from(list(kinds)),
        read_by=st.sampled_from(read_by),
        told=told.map(lambda found: tuple(sorted(found.items(), key=lambda pair: pair[0]))),
        ends=st.sampled_from(["none", "begin", "both"]),
        padding=st.sampled_from([0, 1, 3, 7]),
        positions=st.integers(14, 40),
        added=st.integers(0, 2),
        resized=st.sampled_from([True, True, True, False]),
        tied=st.booleans(),
        by_5=st.booleans(),
        theta=st.sampled_from([500.0, 1e4, 5e5]),
    )  # fmt: skip


@contextmanager
def made(one: Drawn) -> Iterator[tuple[Path, Any, PreTrainedTokenizerFast | None]]:
    """Its folder, its model in memory, and its tokenizer as transformers reads it; None where
    transformers cannot."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "checkpoint"
        folder.mkdir()
        rows = write_tokenizer(one, folder)
        model = filled.make(one.kind, _config(one, rows))
        if one.kind in DECODERS:
            model.half().float()  # so that a GGUF of halves holds the same weights
        model.save_pretrained(folder)
        try:
            # What that version read is in read_by_4.json, which it is held to.
            tokenizer: Any = auto_tokenizer.load(folder)
        except CheckpointError:  # some classes fail on some tokenizers, each in its own way
            tokenizer = None
        if one.by_5 and tokenizer is not None:
            _write_as_5(folder, tokenizer)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        else:
            _write_as_4(folder)
        yield folder, model, tokenizer


def write_tokenizer(one: Drawn, folder: Path) -> int:
    """Writes the tokenizer's files; returns the rows that the embeddings are to have."""
    tokenizer = _tokenizer(one.read_by[0])
    if one.ends != "none":
        ids = {piece: tokenizer.token_to_id(piece) for piece in ("<s>", "</s>")}
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>" if one.ends == "both" else "<s> $A",
            special_tokens=list(ids.items()),
        )
    before = tokenizer.get_vocab_size()
    tokenizer.add_tokens([f"<new{number}>" for number in range(one.added)])
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
        "cls_token": "<s>", "sep_token": "</s>", "model_max_length": 64, **dict(one.told),
    }  # fmt: skip
    if one.read_by[1] is not None:
        told["tokenizer_class"] = one.read_by[1]
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    return tokenizer.get_vocab_size() if one.resized else before


def _tokenizer(kind: str) -> Tokenizer:
    if kind == "bytes":
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE({one: n for n, one in enumerate(letters)}, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.add_special_tokens(list(_SPECIALS))
        return tokenizer
    if kind == "sentencepiece":
        tokenizer = Tokenizer.from_str(tiny_llama._trained("mistral"))
        tokenizer.add_special_tokens(list(_SPECIALS))
        return tokenizer
    if kind == "unigram":
        return Tokenizer.from_file(str(tiny.TOKENIZER))
    letters = sorted({letter for text in (*TEXTS, *tiny.texts()) for letter in text} - {" "})
    pieces = [*_SPECIALS, "lamp", "turn", "the", *letters, *(f"##{one}" for one in letters)]
    model = models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(_SPECIALS))
    return tokenizer


def _config(one: Drawn, rows: int) -> Any:
    told = dict(filled.CASES[one.kind])
    told["pad_token_id"] = one.padding
    if told.get("num_hidden_layers") == 4 and one.kind != "modernbert":
        told["num_hidden_layers"] = 1
    if told.get("num_hidden_layers") == 7 and one.kind != "gemma3_text":
        told["num_hidden_layers"] = 2
    if one.kind not in ("t5", "mt5"):
        told["max_position_embeddings"] = one.positions + 8
    if one.kind == "phi3":
        # Beyond the trained context llama.cpp rotates short texts as long ones, which is noted.
        told |= {"max_position_embeddings": 4000, "original_max_position_embeddings": 2000}
    if "rope_theta" in told:
        told["rope_theta"] = one.theta
    if one.kind in DECODERS and one.kind != "gemma2":
        told["tie_word_embeddings"] = one.tied
    return AutoConfig.for_model(one.kind, vocab_size=rows, **told)


def _write_as_4(folder: Path) -> None:
    """Rewrites config.json as transformers 4 saved it; test_saved_by_4 has real ones."""
    path = folder / "config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["transformers_version"] = "4.57.6"
    told["torch_dtype"] = told.pop("dtype")
    kind, ropes = told["model_type"], told.pop("rope_parameters", None) or {}
    windowed = ropes.get("sliding_attention")
    if kind == "modernbert":
        del told["layer_types"]
        told["global_rope_theta"] = ropes["full_attention"]["rope_theta"]
        told["local_rope_theta"] = ropes["sliding_attention"]["rope_theta"]
    elif ropes:
        if windowed:
            told["rope_local_base_freq"], ropes = windowed["rope_theta"], ropes["full_attention"]
        told["rope_theta"] = ropes.pop("rope_theta")
        told["rope_scaling"] = ropes if ropes.get("rope_type") != "default" else None
    if kind == "t5":
        told["tie_word_embeddings"] = told.pop("scale_decoder_outputs")
    if kind == "mt5":
        told["tie_word_embeddings"] = False
    path.write_text(json.dumps(told), encoding="utf-8")


def _write_as_5(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Rewrites the tokenizer as transformers 5 saves one without a class of its own."""
    (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    told = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    for key in ("add_bos_token", "add_eos_token", "do_lower_case", "strip_accents"):
        told.pop(key, None)
    told |= {"backend": "tokenizers", "tokenizer_class": "TokenizersBackend"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")


@torch.inference_mode()
def truth(
    model: Any, tokenizer: PreTrainedTokenizerFast, text: str, *, most: int | None = None
) -> tuple[list[int], Any]:
    """The ids and logits of a text, as a program that uses transformers gets them; no logits of
    more than `most` tokens, for which the model may have no positions."""
    told = tokenizer(text, return_tensors="pt", verbose=False)
    takes = inspect.signature(model.forward).parameters
    inputs = {name: values for name, values in told.items() if name in takes}
    ids = inputs["input_ids"]
    if not ids.numel() or (most is not None and ids.numel() > most):
        return [], None
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.cat([torch.full((1, 1), 2), ids[:, :4]], dim=1)
    if type(model).__name__.endswith(("ForCausalLM", "ForConditionalGeneration", "MTModel")):
        inputs.pop("token_type_ids", None)
    return ids[0].tolist(), model(**inputs).logits[0].numpy()

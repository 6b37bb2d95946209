"""The tokenizer that transformers 4 made of a folder, made by a later one. Runs no model.

A class of transformers 5 builds its tokenizer anew around the vocabulary, and passes over what else
stands in tokenizer.json. Up to 4, tokenizer.json was read whole, and a class changed the parts that
are changed here (`tokenization_*_fast.py` and `tokenization_utils_fast.py` of 4.57): models that
were trained before are read as they were trained.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from transformers.models.auto.tokenization_auto import (
    TOKENIZER_MAPPING_NAMES,
    tokenizer_class_from_name,
)

_PLAIN = "PreTrainedTokenizerFast"
# By the model's type where the folder names none, as far as later versions have another.
_CLASSES = {
    "gemma2": "GemmaTokenizer", "gemma3_text": "GemmaTokenizer", "llama": "LlamaTokenizer",
    "mistral": "LlamaTokenizer", "phi3": "LlamaTokenizer",
}  # fmt: skip
_BERT = frozenset({"BertTokenizer", "ConvBertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"})
_MPNET = "MPNetTokenizer"
_LLAMA = frozenset({"CodeLlamaTokenizer", "LlamaTokenizer"})
_BEGUN = frozenset({*_LLAMA, "GemmaTokenizer"})
_BY_LANGUAGE = frozenset({"MBart50Tokenizer", "MBartTokenizer", "NllbTokenizer"})
_KEYS = ("add_bos_token", "add_eos_token", "add_prefix_space", "tokenizer_class")
"""Those that mean something else to the installed version."""
_TYPED = frozenset({"AlbertTokenizer", "FunnelTokenizer", "RemBertTokenizer", "XLNetTokenizer"})
"""These, and those without a class of their own, gave token types."""
_NAMES = ["input_ids", "token_type_ids", "attention_mask"]


def wrote(told: Mapping[str, Any]) -> bool:
    """Whether transformers 4 or an earlier one wrote a tokenizer_config.json that this reads."""
    return "backend" not in told and _name(told.get("tokenizer_class")) not in _BY_LANGUAGE


def load(
    folder: Path, told: Mapping[str, Any], config: Mapping[str, Any]
) -> PreTrainedTokenizerFast | type:
    """`told` is the folder's tokenizer_config.json, `config` its config.json.

    Returns the class instead where its rules are in Python.
    """
    kind = str(config.get("model_type"))
    named = told.get("tokenizer_class") or config.get("tokenizer_class") or _CLASSES.get(kind)
    name = _name(named or TOKENIZER_MAPPING_NAMES.get(kind))
    known: Any = None if name == _name(_PLAIN) else tokenizer_class_from_name(name)
    if known is not None and not issubclass(known, PreTrainedTokenizerFast):
        return known
    bare = {key: value for key, value in told.items() if key not in _KEYS}
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(folder, scratch, dirs_exist_ok=True)
        path = Path(scratch) / "tokenizer_config.json"
        path.write_text(json.dumps({**bare, "tokenizer_class": _PLAIN}), encoding="utf-8")
        found: Any = PreTrainedTokenizerFast.from_pretrained(scratch, local_files_only=True)
    typed = known is None or known is PreTrainedTokenizerFast or name in _TYPED
    names = told.get("model_input_names") or (_NAMES if typed else known.model_input_names)
    found.model_input_names = list(names)
    _change(found, name, told)
    return found


def _name(named: object) -> str:
    return str(named or _PLAIN).removesuffix("Fast")


def _change(found: Any, name: str, told: Mapping[str, Any]) -> None:
    backend: Tokenizer = found.backend_tokenizer
    prefix = told.get("add_prefix_space")
    if name in _LLAMA and prefix is not None:
        raise ValueError("add_prefix_space makes it anew from tokenizer.model; remove the key")
    backend.pre_tokenizer = _with_prefix(backend.pre_tokenizer, prefix or False)
    if name in _BERT or name == _MPNET:
        backend.normalizer = _lowered(backend.normalizer, told, chinese=name in _BERT)
    if name in _BEGUN:
        backend.post_processor = _begun(found, told)


def _with_prefix(known: Any, prefix: bool) -> Any:
    state = json.loads(known.__getstate__()) if known is not None else {}
    if state.get("add_prefix_space", prefix) == prefix:
        return known
    return getattr(pre_tokenizers, state.pop("type"))(**{**state, "add_prefix_space": prefix})


def _lowered(known: Any, told: Mapping[str, Any], *, chinese: bool) -> Any:
    wanted = {
        "lowercase": told.get("do_lower_case", True),
        "strip_accents": told.get("strip_accents"),
    }
    if chinese:
        wanted["handle_chinese_chars"] = told.get("tokenize_chinese_chars", True)
    state = json.loads(known.__getstate__())
    if all(state.get(key, value) == value for key, value in wanted.items()):
        return known
    return getattr(normalizers, state.pop("type"))(**{**state, **wanted})


def _begun(found: Any, told: Mapping[str, Any]) -> Any:
    """What Llama's class sets around a text, whatever tokenizer.json says."""
    begins, closes = told.get("add_bos_token", True), told.get("add_eos_token", False)
    begin, end = found.bos_token if begins else None, found.eos_token if closes else None
    if (begins and begin is None) or (closes and end is None):
        raise ValueError("add_bos_token or add_eos_token asks for a token that is not named")
    single = " ".join(f"{one}:0" for one in (begin, "$A", end) if one)
    second = " ".join(f"{one}:1" for one in (begin, "$B", end) if one)
    ids = [(one, found.convert_tokens_to_ids(one)) for one in (begin, end) if one]
    return processors.TemplateProcessing(
        single=single, pair=f"{single} {second}", special_tokens=ids
    )

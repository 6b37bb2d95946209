"""Writes saved_by_4.json and read_by_4.json, or saved_by_5.json, by the version of transformers.

What another version wrote and answered cannot be made by the tests, which have but one. Made with
4.57.6 and with 5.24.0: PYTHONPATH=… python -m tests.checkpoint.make_saved
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from zlib import crc32

import transformers
from safetensors.torch import load_file
from transformers import AutoTokenizer

from tests.tiny import drawn, filled

TOLD: tuple[tuple[tuple[str, bool], ...], ...] = (
    (),
    (("do_lower_case", False),),
    (("add_bos_token", True),),
    (("add_bos_token", False),),
    (("add_prefix_space", True),),
)
READ_BY = (
    *dict.fromkeys((*drawn.READ_BY, *drawn.BPE)),
    ("wordpiece", "DistilBertTokenizerFast"),
    ("wordpiece", "ElectraTokenizerFast"),
    ("wordpiece", "MPNetTokenizerFast"),
    ("unigram", "AlbertTokenizerFast"),
    ("unigram", "DebertaV2TokenizerFast"),
    ("unigram", "PegasusTokenizerFast"),
    ("bytes", "BartTokenizerFast"),
    ("bytes", "Qwen2TokenizerFast"),
    ("sentencepiece", "GemmaTokenizerFast"),
)
_KINDS = {"bytes": "roberta", "sentencepiece": "llama", "unigram": "xlm-roberta",
          "wordpiece": "bert"}  # fmt: skip


def main() -> None:
    major = transformers.__version__.partition(".")[0]
    found = {}
    for case in filled.CASES:
        if major == "4" and case in filled.SINCE_5:
            continue
        with tempfile.TemporaryDirectory() as folder:
            model = filled.make(case)
            model.save_pretrained(folder)
            told = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
            names = names_of(Path(folder))
            attention = "eager" if case == "gemma2" else None
            loaded = type(model).from_pretrained(folder, attn_implementation=attention)
            answer = [round(one, 5) for one in filled.answer(loaded.eval())]
        found[case] = {"config": told, "names": names, "answer": answer}
        print(case, answer[:3])
    _write(f"saved_by_{major}.json", found)
    if major == "4":
        _write("read_by_4.json", {name: _read(*one) for name, one in tokenizers().items()})


def _write(name: str, value: Any) -> None:
    text = json.dumps(value, indent=1) + "\n"
    Path(__file__).with_name(name).write_text(text, encoding="utf-8")


def tokenizers() -> dict[str, tuple[tuple[str, str | None], tuple[tuple[str, bool], ...]]]:
    """The kinds of tokenizer.json, each with a class and with keys that may overrule it."""
    return {
        f"{kind} {named} {dict(told)}": ((kind, named), told)
        for kind, named in READ_BY
        for told in TOLD
    }


def write_tokenizer(
    folder: Path, read_by: tuple[str, str | None], told: tuple[tuple[str, bool], ...]
) -> None:
    """A folder with a tokenizer and a config, as transformers 4 saved them."""
    settings = drawn.Drawn("bert", read_by, told, "begin", 1, 20, 1, True, True, False, 1e4)
    rows = drawn.write_tokenizer(settings, folder)
    config = {"model_type": _KINDS[read_by[0]], "vocab_size": rows, "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def digest(tokenizer: Any) -> int:
    """Of the ids and token types of a few texts, and of a pair."""
    told = [tokenizer(text) for text in drawn.TEXTS] + [tokenizer("lamp on", "turn it up")]
    found = [(list(one["input_ids"]), list(one.get("token_type_ids", ()))) for one in told]
    return crc32(repr(found).encode())


def _read(read_by: tuple[str, str | None], told: tuple[tuple[str, bool], ...]) -> int | None:
    """None where transformers cannot."""
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder), read_by, told)
        try:
            return digest(AutoTokenizer.from_pretrained(folder))
        except Exception:  # each class fails in its own way
            return None


def names_of(folder: Path) -> int:
    """A digest of the weights' names and shapes as they were saved."""
    weights = load_file(folder / "model.safetensors")
    return crc32(repr([(name, *weights[name].shape) for name in sorted(weights)]).encode())


if __name__ == "__main__":
    main()

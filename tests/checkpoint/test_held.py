"""What differs between transformers and edgekit is found: mended, or refused with its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from edgekit.build import importing, plan
from edgekit.checkpoint import auto_tokenizer, describe, held, pooling, tables
from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.decoders import DECODERS
from edgekit.errors import CheckpointError
from edgekit.recipe import recipe
from tests.tiny import encoder as tiny
from tests.tiny import extractive, filled
from tests.tiny import llama as tiny_llama
from tests.tiny import seq2seq as tiny_seq2seq


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "encoder").mkdir()
    return tiny.make_encoder(tmp_path / "encoder", labels=tiny.LABELS, layers=1)


def change(path: Path, **told: Any) -> None:
    value = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**value, **told}), encoding="utf-8")


def as_of_4(folder: Path, **told: Any) -> None:
    """tokenizer_config.json as transformers 4 saved it: without the name of a backend."""
    path = folder / "tokenizer_config.json"
    value = json.loads(path.read_text("utf-8"))
    del value["backend"]
    path.write_text(json.dumps({**value, **told}), encoding="utf-8")


def imported(folder: Path) -> tuple[Path, list[str]]:
    out = folder.parent / "imported"
    out.mkdir()
    return out, list(importing.import_checkpoint(folder, out).get("notes", ()))


def test_a_checkpoint_that_both_read_alike_keeps_its_bytes(folder: Path) -> None:
    out, notes = imported(folder)
    assert not notes
    assert (out / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    record = held.check(out, ["turn up the heating", "lamp"], max_tokens=64)
    assert record["answers"] > 2


@pytest.mark.parametrize(
    ("lowered", "settings", "key"),
    [
        (True, {"do_lower_case": False}, "do_lower_case"),
        (True, {"strip_accents": False}, "strip_accents"),
        (False, {"do_lower_case": True}, "tokenizer_class"),
    ],
)
def test_what_overrules_tokenizer_json_is_written_into_it_and_named(
    folder: Path, lowered: bool, settings: dict[str, Any], key: str
) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    tokenizer["normalizer"] = {
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
        "strip_accents": None, "lowercase": lowered,
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    as_of_4(folder, tokenizer_class="BertTokenizer", **settings)
    theirs = auto_tokenizer.load(folder)
    out, notes = imported(folder)
    assert key in notes[0]
    ours = Tokenizer.from_file(str(out / "tokenizer.json"))
    for text in ("Lamp ON", "éteins LA lumière", "关灯"):
        assert ours.encode(text).ids == theirs(text)["input_ids"]


@pytest.mark.parametrize("adds", [True, False])
def test_a_gguf_begins_texts_as_transformers_does(tmp_path: Path, adds: bool) -> None:
    """The class sets the post-processor by its keys, whatever tokenizer.json says."""
    folder = tiny_llama.make_checkpoint(tmp_path / "decoder", "mistral", layers=1)
    told = {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": adds, "legacy": False}
    as_of_4(folder, **told)
    if adds:
        document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        change(folder / "tokenizer.json", **{**document, "post_processor": None})
    theirs = auto_tokenizer.load(folder)
    out, notes = imported(folder)
    assert "add_bos_token" in notes[0] or "tokenizer_class" in notes[0]
    rows = describe.describe(out).vocabulary
    vocabulary = tokenizing.read(out, rows=rows, architecture=DECODERS["mistral"])
    assert vocabulary.add_bos is adds
    assert (theirs("a")["input_ids"][0] == theirs.bos_token_id) is adds


def test_a_segment_that_only_transformers_sets_is_refused(folder: Path) -> None:
    """Its post-processor gives texts the second segment, which changes the answers."""
    document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    for piece in document["post_processor"]["single"]:
        next(iter(piece.values()))["type_id"] = 1
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    names = ["input_ids", "token_type_ids", "attention_mask"]
    change(folder / "tokenizer_config.json", model_input_names=names)
    weights = load_file(folder / "model.safetensors")
    name = "bert.embeddings.token_type_embeddings.weight"
    weights[name] = torch.randn(weights[name].shape, generator=torch.Generator().manual_seed(0))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    out, _ = imported(folder)
    with pytest.raises(CheckpointError, match="answers otherwise"):
        held.check(out, ["turn up the heating"], max_tokens=64)


def test_a_tokenizer_in_python_is_refused(folder: Path) -> None:
    change(folder / "tokenizer_config.json", tokenizer_class="ByT5Tokenizer")
    with pytest.raises(CheckpointError, match="ByT5Tokenizer, whose rules are in Python"):
        auto_tokenizer.load(folder)


def test_tokens_beyond_the_table_are_refused_before_a_build(tmp_path: Path) -> None:
    path = tiny.make_project(tmp_path)
    encoder = tmp_path / "encoder"
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    rows = len(tokenizer)
    tokenizer.add_tokens(["[ORDER]", "[PRICE]"])
    tokenizer.save_pretrained(encoder)
    with pytest.raises(CheckpointError, match=rf"'\[ORDER\]' \(and 1 more\) has the id {rows}"):
        plan.make(recipe.read(path))


def test_a_token_of_the_config_alone_is_seen_too(folder: Path) -> None:
    rows = describe.describe(folder).vocabulary
    told = {str(rows): {"content": "<new>", "special": True}}
    change(folder / "tokenizer_config.json", added_tokens_decoder=told)
    with pytest.raises(CheckpointError, match=f"'<new>' has the id {rows}"):
        tables.refuse_beyond(folder, describe.describe(folder))


@pytest.mark.parametrize("family", ["m2m_100", "mbart"])
def test_padding_that_texts_have_is_refused_where_it_moves_positions(
    family: str, tmp_path: Path
) -> None:
    checkpoint = tiny_seq2seq.make_model(tmp_path / family, family=family, trained=False)
    said = describe.describe(checkpoint)
    tables.refuse_uncounted(checkpoint, said)
    change(checkpoint / "config.json", pad_token_id=3)
    if family == "mbart":  # it counts every token
        tables.refuse_uncounted(checkpoint, said)
        return
    with pytest.raises(CheckpointError, match=r"'pad_token_id' is 3, .* counts no position for it"):
        tables.refuse_uncounted(checkpoint, said)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "camembert", "mpnet", "bert"])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_the_window_ends_where_the_positions_do(kind: str, padding: int, tmp_path: Path) -> None:
    config = filled.AutoConfig.for_model(
        kind, vocab_size=filled.ROWS, **{**filled.CASES[kind], "pad_token_id": padding}
    )
    model = filled.make(kind, config)
    model.save_pretrained(tmp_path)
    tiny.make_tokenizer(tmp_path)
    window = describe.describe(tmp_path).max_tokens
    with torch.inference_mode():
        model(input_ids=torch.full((1, window), 9))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, window + 1), 9))


@pytest.mark.parametrize(
    ("mode", "modules", "word"),
    [
        ({"pooling_mode_cls_token": True}, (), "take cls of"),
        ({"pooling_mode": "lasttoken"}, (), "take lasttoken of"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, (), "max and mean"),
        ({"pooling_mode_mean_tokens": True}, ("Dense",), "put 'Dense' behind it"),
    ],
)
def test_an_encoder_that_pools_otherwise_is_refused_before_a_build(
    mode: dict[str, Any], modules: tuple[str, ...], word: str, tmp_path: Path
) -> None:
    path = extractive.make_project(tmp_path)
    pooled(tmp_path / "encoder", mode, modules)
    with pytest.raises(CheckpointError, match=word):
        plan.make(recipe.read(path))


@pytest.mark.parametrize("mode", [{"pooling_mode_mean_tokens": True}, {"pooling_mode": "mean"}])
def test_the_mean_is_read_with_and_without_unit_length(
    mode: dict[str, Any], tmp_path: Path
) -> None:
    pooling.refuse_other_than_mean(tmp_path)
    pooled(tmp_path, mode, ("Normalize",))
    pooling.refuse_other_than_mean(tmp_path)
    (tmp_path / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    with pytest.raises(CheckpointError, match="lower case"):
        pooling.refuse_other_than_mean(tmp_path)


def pooled(folder: Path, mode: dict[str, Any], further: tuple[str, ...]) -> None:
    """As sentence-transformers saves it."""
    kinds = ("Transformer", "Pooling", *further)
    told = [
        {"idx": n, "path": f"{n}_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for n, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(mode), encoding="utf-8")

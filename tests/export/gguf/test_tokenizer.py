"""The tokenizer inside a GGUF reads texts as the checkpoint's: found by trying, and proven."""

from __future__ import annotations

import json
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.decoders import DECODERS, Architecture
from edgekit.checkpoint.tokenizer import Preparation, Vocabulary
from edgekit.data import declaration, scripts
from edgekit.errors import ExportError
from edgekit.export.gguf import pretokenizers, trials
from tests.tiny import llama as tiny_llama

LLAMA = DECODERS["llama"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tokenizers")
    for name in tiny_llama.VOCABULARIES:
        (folder / name).mkdir()
        tiny_llama.make_tokenizer(folder / name, name)
    return {name: folder / name for name in tiny_llama.VOCABULARIES}


def read(checkpoint: Path, architecture: Architecture = LLAMA) -> Vocabulary:
    rows = Tokenizer.from_file(str(checkpoint / "tokenizer.json")).get_vocab_size()
    return tokenizing.read(checkpoint, rows=rows, architecture=architecture)


def changed(source: Path, folder: Path, **parts: Any) -> Path:
    """A tokenizer with another normalizer or pre-tokenizer."""
    checkpoint = Path(shutil.copytree(source, folder / "checkpoint"))
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    tokenizer.save(str(checkpoint / "tokenizer.json"))
    return checkpoint


def test_the_texts_are_in_thirty_scripts_and_more() -> None:
    texts = [*scripts.hard_texts()]
    for language in scripts.LANGUAGES:
        assert declaration.paragraphs(language)
        texts += declaration.paragraphs(language)
    letters = {character for text in texts for character in text if character.isalpha()}
    found = {unicodedata.name(letter, "?").split()[0] for letter in letters}
    assert len(found) > 30


def test_the_way_to_cut_texts_is_found(made: dict[str, Path]) -> None:
    found = trials.find(made["smollm"], read(made["smollm"]), LLAMA)
    assert found.names == trials.Names("smollm", "llama")
    assert found.tried == 2
    assert found.tokens > 50_000


def test_a_tokenizer_that_cuts_and_pads_texts_is_proven_on_whole_ones(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """As fine-tuning leaves it in tokenizer.json."""
    checkpoint = changed(made["smollm"], tmp_path)
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(checkpoint / "tokenizer.json"))
    assert trials.find(checkpoint, read(checkpoint), LLAMA).tokens > 50_000


def test_spaces_that_special_tokens_take_are_taken(made: dict[str, Path], tmp_path: Path) -> None:
    """llama.cpp does so where the model's name says Phi-3, and a Phi of another kind does not."""
    kind = DECODERS["phi3"]
    assert trials.find(made["phi3"], read(made["phi3"]), kind).names.general == "phi-3"
    checkpoint = Path(shutil.copytree(made["phi3"], tmp_path / "checkpoint"))
    path = checkpoint / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for token in document["added_tokens"]:
        token["rstrip"] = False
    path.write_text(json.dumps(document), encoding="utf-8")
    assert trials.find(checkpoint, read(checkpoint), kind).names.general == "phi"


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """With the first text that even the nearest of its ways reads otherwise."""
    split = pre_tokenizers.Split(Regex("l"), "isolated")
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False)
    checkpoint = changed(
        made["smollm"], tmp_path, pre_tokenizer=pre_tokenizers.Sequence([split, bytewise])
    )
    with pytest.raises(ExportError, match=r"no way to read texts .* reads 'Hello, world!' as \["):
        trials.find(checkpoint, read(checkpoint), LLAMA)


def test_a_trial_that_ends_its_process_is_a_trial_that_failed(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tokens of the same text make llama.cpp abort, whatever the name."""
    vocabulary = read(made["smollm"])
    tokens = (*vocabulary.tokens[:-1], vocabulary.tokens[-2])
    monkeypatch.setattr(pretokenizers, "BYTE_LEVEL", ("gpt-2", "smollm"))
    with pytest.raises(ExportError, match="no way to read texts"):
        trials.find(made["smollm"], replace(vocabulary, tokens=tokens), LLAMA)


def test_a_name_that_llama_cpp_does_not_know_is_passed_over(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretokenizers, "BYTE_LEVEL", ("of-tomorrow", "smollm"))
    assert trials.find(made["smollm"], read(made["smollm"]), LLAMA).names.pre == "smollm"


def test_a_space_that_stands_before_the_first_text_alone_is_told(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """llama.cpp sets it before every part or before none: then whoever gives texts sets it."""
    space = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    checkpoint = changed(
        made["mistral"],
        tmp_path,
        pre_tokenizer=space,
        normalizer=normalizers.Sequence([]),
    )
    vocabulary = read(checkpoint)
    assert not vocabulary.space_prefix
    assert vocabulary.preparation == Preparation(prepend=" ")
    trials.find(checkpoint, vocabulary, LLAMA)
    with pytest.raises(ExportError, match="no way to read texts"):
        trials.find(checkpoint, replace(vocabulary, preparation=Preparation()), LLAMA)


def test_the_unicode_form_that_texts_must_have_is_told(made: dict[str, Path]) -> None:
    """llama.cpp does not normalize: it reads 'é' of two characters as two."""
    vocabulary = read(made["qwen2"])
    assert vocabulary.preparation == Preparation(normalize="NFC")
    with pytest.raises(ExportError, match="decomposed"):
        trials.find(made["qwen2"], replace(vocabulary, preparation=Preparation()), LLAMA)


def test_scores_follow_the_merges(made: dict[str, Path]) -> None:
    vocabulary = read(made["gemma"], DECODERS["gemma2"])
    document = json.loads((made["gemma"] / "tokenizer.json").read_text(encoding="utf-8"))
    first, second = document["model"]["merges"][0]
    scores = dict(zip(vocabulary.tokens, vocabulary.scores, strict=True))
    assert scores[first + second] == 0 == max(scores.values())
    scrambled = replace(vocabulary, scores=vocabulary.scores[::-1])
    with pytest.raises(ExportError, match="no way to read texts"):
        trials.find(made["gemma"], scrambled, DECODERS["gemma2"])

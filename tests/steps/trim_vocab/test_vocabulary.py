"""Random tokenizers of each kind, cut at random: what was kept is tokenized as before."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from edgekit.errors import StepError
from edgekit.steps.trim_vocab.vocabulary import documents, pieces, surgery

WORDS = st.lists(st.text("abcdé", min_size=1, max_size=7), min_size=1, max_size=12)
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def unigram(corpus: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=60, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def wordpiece(corpus: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def byte_level(corpus: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def byte_fallback(corpus: list[str]) -> Tokenizer:
    """As SentencePiece's BPE is converted: bytes for unknown letters, spaces as letters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    document = json.loads(tokenizer.to_str())
    vocabulary = document["model"]["vocab"]
    vocabulary.update({byte: len(vocabulary) + number for number, byte in enumerate(bytes_)})
    document["model"].update(byte_fallback=True, fuse_unk=True)
    document["pre_tokenizer"] = None
    document["normalizer"] = json.loads(
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        .__getstate__()
        .decode()
    )
    return Tokenizer.from_str(json.dumps(document))


def suffixed(corpus: list[str]) -> Tokenizer:
    """BPE that marks where a word ends, as CLIP and GPT-1 do."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=80, special_tokens=SPECIALS, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


KINDS = [unigram, wordpiece, byte_level, byte_fallback, suffixed]


def read(tokenizer: Tokenizer, folder: Path) -> pieces.Vocabulary:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return pieces.read(path)


@pytest.mark.parametrize("make", KINDS)
@given(corpus=WORDS, texts=WORDS, share=st.floats(0, 1), seed=st.integers(0, 99))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_whose_tokens_were_kept_keeps_its_tokens(
    tmp_path: Path,
    make: Callable[[list[str]], Tokenizer],
    corpus: list[str],
    texts: list[str],
    share: float,
    seed: int,
) -> None:
    vocabulary = read(make([" ".join(corpus), *corpus]), tmp_path)
    tokenizer = documents.tokenizer(vocabulary.document)
    lines = [*texts, " ".join(texts), " ".join([*texts, *corpus])]
    # Half of the texts lose nothing by construction; what the others lose is drawn.
    some = {number for line in lines[::2] for number in tokenizer.encode(line).ids}
    generator = random.Random(seed)  # the trainers differ from run to run, what is drawn may not
    drawn = {number for number in vocabulary.tokens if generator.random() < share}
    kept = vocabulary.closed(vocabulary.needed() | some | drawn)
    old_ids = surgery.order(vocabulary, kept, pad=1)
    trimmed = documents.tokenizer(surgery.trimmed(vocabulary, old_ids))
    assert trimmed.token_to_id("<pad>") == 1
    unknown = vocabulary.unknown
    for line in lines:
        before = tokenizer.encode(line).ids
        if set(before) <= kept and not (vocabulary.kind == "WordPiece" and unknown in before):
            assert [old_ids[number] for number in trimmed.encode(line).ids] == before


def test_bpe_keeps_what_its_pieces_are_made_of(tmp_path: Path) -> None:
    vocabulary = read(byte_level(["lower lowest lower low"] * 5), tmp_path)
    number = vocabulary.ids["Ġlower"]
    ancestors = {vocabulary.tokens[one] for one in vocabulary.ancestors(number)}
    assert ancestors >= set("Ġlower")
    assert any(len(token) > 1 for token in ancestors)
    assert vocabulary.closed({number}) == {number, *vocabulary.ancestors(number)}


def test_unigram_keeps_the_price_of_the_unknown(tmp_path: Path) -> None:
    """No piece spells 'd' alone: cheap pieces around an unknown, or three dear ones without."""
    dear, cheap = ["▁ab", "cde", "fg"], ["▁abc", "efg"]
    table = [("<unk>", 0.0), *((piece, -12.0) for piece in dear)]
    table += [*((piece, -1.0) for piece in cheap), ("z", -40.0)]
    tokenizer = Tokenizer(models.Unigram(table, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    vocabulary = read(tokenizer, tmp_path)
    kept = vocabulary.needed() | {vocabulary.ids[piece] for piece in [*dear, *cheap]}
    trimmed = documents.tokenizer(
        surgery.trimmed(vocabulary, surgery.order(vocabulary, kept, pad=None))
    )
    assert tokenizer.encode("abcdefg").tokens == dear
    assert trimmed.encode("abcdefg").tokens == dear


def test_scores_keep_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    read(unigram(["abc abd cab"]), tmp_path)
    text = path.read_text("utf-8").replace("0.0", "0.0000000000000000001")
    path.write_text(text, encoding="utf-8")
    vocabulary = pieces.read(path)
    written = documents.text(surgery.trimmed(vocabulary, sorted(vocabulary.tokens)))
    assert "0.0000000000000000001" in written
    assert json.loads(written) == json.loads(text)


def test_what_pieces_spell(tmp_path: Path) -> None:
    def spelled(tokenizer: Tokenizer) -> dict[str, str | None]:
        vocabulary = read(tokenizer, tmp_path)
        return {token: vocabulary.spells(number) for token, number in vocabulary.ids.items()}

    corpus = ["béb béb béb"] * 3
    assert spelled(wordpiece(corpus)).items() >= {"##b": "b", "b": " b", "<s>": None}.items()
    assert spelled(byte_level(corpus)).items() >= {"ĠbÃ©b": " béb", "Ã": None, "b": "b"}.items()
    assert spelled(byte_fallback(corpus)).items() >= {"<0x0A>": None, "é": "é", "▁": " "}.items()
    assert spelled(suffixed(corpus)).items() >= {"b</w>": "b", "é": "é"}.items()


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    with pytest.raises(StepError, match="knows tokenizers of the kinds Unigram, WordPiece, BPE"):
        read(tokenizer, tmp_path)

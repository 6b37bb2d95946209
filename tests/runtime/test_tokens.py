"""Windows lose nothing, fit, and are what the tokenizer itself gives where the text fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from edgekit.errors import ContextOverflow, EdgekitError
from edgekit.runtime import tokens as text_module
from edgekit.runtime.tokens import TextTokenizer, clean
from tests.tiny.artifact import make_tokenizer

SPECIAL_IDS = 4
LONG = "turn up the heating. éteins la lumière du salon! شغل أغنية؟ 关灯。please play a song\n" * 9


def make_bpe() -> Tokenizer:
    """Bytes to ids, so that one character can be several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([LONG], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


UNIGRAM, BPE = make_tokenizer(), make_bpe()


def encoder(tokenizer: Tokenizer, *, prefix: str = "", max_tokens: int = 16) -> TextTokenizer:
    return TextTokenizer(tokenizer.to_str().encode(), prefix=prefix, max_tokens=max_tokens)


@pytest.mark.parametrize("tokenizer", [UNIGRAM, BPE], ids=["unigram", "bpe"])
@given(text=st.text(max_size=40))
def test_a_text_that_fits_is_the_tokenizers_own_ids(tokenizer: Tokenizer, text: str) -> None:
    found = encoder(tokenizer, prefix="query: ", max_tokens=512).windows(text)
    assert found == [tokenizer.encode("query: " + text).ids]


@given(st.text(min_size=1, max_size=300), st.integers(9, 20), st.sampled_from(["", "q: "]))
def test_bytes_come_back_whole_from_windows(text: str, max_tokens: int, prefix: str) -> None:
    """Byte-level ids are the text: joined, the windows give back every byte, in order."""
    windows = encoder(BPE, prefix=prefix, max_tokens=max_tokens).windows(text)
    joined = "".join(
        BPE.decode(ids, skip_special_tokens=True).removeprefix(prefix) for ids in windows
    )
    assert joined == text
    assert all(len(ids) <= max_tokens for ids in windows)


@given(st.text(alphabet="lamp the song.!\n éم灯", max_size=400), st.integers(12, 40))
def test_windows_fit_and_are_few(text: str, max_tokens: int) -> None:
    windows = encoder(UNIGRAM, max_tokens=max_tokens).windows(text)
    tokens = len(UNIGRAM.encode(text).ids) - 2
    fewest = max(1, -(-tokens // (max_tokens - 2)))
    assert all(len(ids) <= max_tokens for ids in windows)
    # An eighth for better places to cut; and what is cut off can take a token more.
    assert len(windows) <= fewest * 10 / 8 + 1


def test_long_texts_are_cut_into_like_parts_at_sentences_or_words() -> None:
    windows = encoder(BPE, max_tokens=64).windows(LONG)
    parts = [BPE.decode(ids, skip_special_tokens=True) for ids in windows]
    assert len(parts) > 3
    assert all(part[-1] in ".!؟。 \n" for part in parts)
    assert sum(part.rstrip(" ")[-1] in ".!؟。\n" for part in parts) >= len(parts) - 1
    sizes = [len(ids) for ids in windows]
    assert min(sizes) > max(sizes) / 2


def test_no_window_begins_with_a_lone_accent() -> None:
    windows = encoder(BPE, max_tokens=26).windows("e\u0301" * 60)
    parts = [BPE.decode(ids, skip_special_tokens=True) for ids in windows]
    assert all(part.startswith("e") for part in parts)


def test_very_long_texts_go_through_in_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "SECTION_CHARACTERS", 2000)
    long = LONG * 20
    windows = encoder(BPE, max_tokens=64).windows(long)
    assert "".join(BPE.decode(ids, skip_special_tokens=True) for ids in windows) == long


def test_truncation_and_padding_of_the_file_are_off(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=12)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    loaded = TextTokenizer(tmp_path / "tokenizer.json", max_tokens=64)
    assert loaded.windows("lamp") == [UNIGRAM.encode("lamp").ids]
    assert len(loaded.windows("lamp " * 20)[0]) > 20


@given(st.text(st.characters(categories=["Cs", "L"]), max_size=20))
def test_lone_surrogates_do_not_stop_a_text(text: str) -> None:
    assert clean(text).encode("utf-8").decode() == clean(text)
    assert encoder(UNIGRAM, max_tokens=512).windows(text) == [UNIGRAM.encode(clean(text)).ids]


def test_two_surrogates_are_one_character() -> None:
    assert clean("\ud83d\udca1") == "💡"
    assert clean("a\ud83d") == "a\ufffd"


def test_a_character_larger_than_the_window_is_refused() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["x"], trainer)
    with pytest.raises(ContextOverflow, match="single character"):
        TextTokenizer(tokenizer.to_str().encode(), max_tokens=3).windows("💡💡")


def test_a_prefix_that_fills_the_window_is_refused() -> None:
    with pytest.raises(EdgekitError, match="no room"):
        encoder(UNIGRAM, prefix="please " * 20)


@pytest.mark.parametrize("data", [b"", b"{", b'{"version": "1.0"}', b"\xff\xfe"])
def test_a_file_that_is_no_tokenizer_is_refused(data: bytes) -> None:
    with pytest.raises(EdgekitError, match=r"tokenizer\.json"):
        TextTokenizer(data)


def test_a_panic_of_the_tokenizer_is_an_error_of_ours() -> None:
    """tokenizers' PanicException derives from BaseException and would end a whole program."""
    panic = type("PanicException", (BaseException,), {})

    def panics() -> None:
        raise panic("index out of bounds")

    with pytest.raises(EdgekitError, match="index out of bounds"):
        text_module.guarded(panics)


PAIRED = make_tokenizer(pair="<s> $A </s> </s> $B:1 </s>:1")
WORDS = st.text(alphabet="lamp the song.!\n éم灯", max_size=60)


@given(first=st.text(max_size=40), second=st.text(max_size=40))
def test_a_pair_that_fits_is_read_as_the_tokenizer_reads_it(first: str, second: str) -> None:
    [found] = encoder(PAIRED, max_tokens=512).parts((first, second))
    wanted = PAIRED.encode(clean(first), clean(second))
    assert (found.ids, list(found.types)) == (wanted.ids, wanted.type_ids)


@given(first=WORDS.filter(lambda text: len(text) < 8), second=WORDS.map(lambda text: text * 8))
def test_every_window_of_a_pair_has_all_of_the_first_and_a_part_of_the_second(
    first: str, second: str
) -> None:
    begin = PAIRED.encode(first, "").ids[:-1]
    parts = encoder(PAIRED, max_tokens=40).parts((first, second))
    assert all(part.ids[: len(begin)] == begin and part.ids[-1] == 2 for part in parts)
    assert all(len(part.ids) == len(part.types) <= 40 for part in parts)
    bodies = [part.ids[len(begin) : -1] for part in parts]
    assert all(set(part.types[len(begin) :]) == {1} for part in parts)
    joined = "".join(PAIRED.decode(ids, skip_special_tokens=False) for ids in bodies)
    assert "".join(joined.split()) == "".join(
        PAIRED.decode(PAIRED.encode(second, add_special_tokens=False).ids, False).split()
    )


def test_a_first_text_of_more_than_half_a_window_is_read_only_with_all_of_the_second() -> None:
    pairs = encoder(PAIRED, max_tokens=16)
    [part] = pairs.parts(("lamp lamp lamp lamp lamp", "lamp lamp"))
    assert len(part.ids) <= 16
    with pytest.raises(ContextOverflow, match=r"first text of a pair \('lamp .* more than half"):
        pairs.parts(("lamp lamp lamp lamp lamp", "lamp " * 20))
    assert len(pairs.parts(("lamp", "lamp " * 20))) > 1
    assert len(encoder(PAIRED, max_tokens=16).edges()) == len(pairs.edges())
    both = TextTokenizer(PAIRED.to_str().encode(), max_tokens=16, pairs=True).edges()[-1]
    assert set(both.types) == {0, 1}


def test_a_second_text_beyond_a_section_is_read_in_sections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = encoder(PAIRED, max_tokens=24).windows(("lamp", "lamp " * 900))
    monkeypatch.setattr(text_module, "SECTION_CHARACTERS", 1500)
    parts = encoder(PAIRED, max_tokens=24).windows(("lamp", "lamp " * 900))
    assert len(whole) <= len(parts) <= len(whole) + 3

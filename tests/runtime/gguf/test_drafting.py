"""No guess, right or wrong, changes an answer: greedy, sampled, within a grammar, cut or full."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import llama_cpp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.data import declaration
from edgekit.data.conversation import Reply, Sampling
from edgekit.export.gguf.convert import convert
from edgekit.runtime.gguf.batches import Batches
from edgekit.runtime.gguf.drafting import Worth
from edgekit.runtime.gguf.engine import DRAFTING_ROOM, LlamaChat
from edgekit.runtime.gguf.lookup import Guess, Lookup
from edgekit.runtime.gguf.native import Llama, Opening
from edgekit.samples import smollm2_model
from edgekit.system.cancel import Cancel
from tests.tiny import llama as tiny_llama

CONTEXT = 384
WORDS = ("all", "human", "beings", "are", "born", "free", "and", "equal", "Nairobi", "你好", "नमस्ते")
KINDS = ("f16", "Q8_0", "Q4_0", "qwen3", "olmo2")
GRAMMAR = 'root ::= "[" ("free" | "equal" | [a-z ]+) ("," [a-z ]+)* "]"'


class Oracle:
    """Guesses what a known answer says next, and now and then something else."""

    def __init__(self, answer: Sequence[int], chance: random.Random, wrong: float) -> None:
        self._answer, self._chance, self._wrong = list(answer), chance, wrong
        self._said = 0

    def add(self, token: int) -> None:
        self._said += 1

    def guess(self, most: int) -> Guess:
        right = self._answer[self._said : self._said + self._chance.randint(0, most)]
        drawn = self._chance
        mixed = [drawn.randrange(900) if drawn.random() < self._wrong else one for one in right]
        return Guess(tuple(mixed), min(4, len(mixed)))


class Never:
    def add(self, token: int) -> None: ...

    def guess(self, most: int) -> Guess:
        return Guess((), 0)


@pytest.fixture(scope="module", params=KINDS)
def engine(
    request: pytest.FixtureRequest, tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LlamaChat]:
    """Tiny random models, by the type of their weights or by their architecture."""
    kind, target = request.param, tmp_path_factory.mktemp("drafting") / "model.gguf"
    if kind == "f16":
        target = tiny_gguf
    elif kind.startswith("Q"):
        asked = llama_cpp.llama_model_quantize_default_params()
        asked.ftype, asked.nthread = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}"), 1
        llama_cpp.llama_model_quantize(str(tiny_gguf).encode(), str(target).encode(), asked)
    else:
        convert(tiny_llama.make_checkpoint(target.parent / "checkpoint", kind), target)
    opened = LlamaChat(Llama(target, Opening(context=CONTEXT, threads=1, sequences=4)), threads=1)
    chat(opened, "Hello", Sampling(2, temperature=0.0, seed=0, drafts=True))
    if opened._batches[1] is None:
        pytest.skip("no two sizes of batches give the same bits on this machine")
    yield opened
    opened.close()


def chat(engine: LlamaChat, text: str, asked: Sampling, cancel: Cancel | None = None) -> Reply:
    told: list[str] = []
    messages = [{"role": "user", "content": text}]
    found = engine.chat(messages, asked, on_piece=told.append, cancel=cancel or Cancel())
    assert "".join(told) == found.text
    return found


def guessed_by(engine: LlamaChat, make: Callable[[Sequence[int]], object]) -> None:
    engine._guessing = make


def plain(reply: Reply) -> Reply:
    return replace(reply, drafted_tokens=0, accepted_tokens=0, reused_tokens=0)


ASKED = (
    Sampling(temperature=0.0, seed=0),
    Sampling(temperature=1.2, seed=7),
    Sampling(temperature=0.0, seed=0, grammar=GRAMMAR),
    Sampling(temperature=0.9, top_p=0.8, seed=3, grammar=GRAMMAR),
    Sampling(temperature=0.0, seed=0, stop=("e", "an")),
)


@settings(max_examples=12)
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=60),
    asked=st.sampled_from(ASKED),
    length=st.integers(1, 60),
    wrong=st.sampled_from((0.0, 0.3, 1.0)),
    seed=st.integers(0, 2**32),
)
def test_an_answer_is_the_same_with_any_guesses(
    engine: LlamaChat,
    words: list[str],
    asked: Sampling,
    length: int,
    wrong: float,
    seed: int,
) -> None:
    asked, text = replace(asked, max_tokens=length, drafts=True), " ".join(words)
    guessed_by(engine, lambda prompt: Never())
    wanted = chat(engine, text, asked)
    answer = engine._model.tokens[wanted.prompt_tokens :]
    guessed_by(engine, lambda prompt: Oracle(answer, random.Random(seed), wrong))
    found = chat(engine, text, asked)
    guessed_by(engine, Lookup)
    looked_up = chat(engine, text, asked)
    assert plain(found) == plain(looked_up) == plain(wanted)
    assert found.accepted_tokens <= found.drafted_tokens


def test_right_guesses_are_accepted(engine: LlamaChat) -> None:
    asked = Sampling(40, temperature=0.0, seed=0, drafts=True)
    wanted = chat(engine, "free and equal", asked)
    answer = engine._model.tokens[wanted.prompt_tokens :]
    guessed_by(engine, lambda prompt: Oracle(answer, random.Random(1), 0.0))
    engine._worth = Worth()
    found = chat(engine, "free and equal", asked)
    guessed_by(engine, Lookup)
    assert plain(found) == plain(wanted)
    assert 10 < found.accepted_tokens < found.tokens


def test_an_answer_that_fills_the_context_ends_at_the_same_token(
    engine: LlamaChat,
) -> None:
    text = " ".join(WORDS)
    count = len(engine._prompts.tokens([{"role": "user", "content": text}]))
    asked = Sampling(temperature=0.0, seed=0, drafts=True)
    while count < CONTEXT // 2:
        text += " free and equal"
        count = len(engine._prompts.tokens([{"role": "user", "content": text}]))
    found = chat(engine, text, asked)
    guessed_by(engine, lambda prompt: Never())
    unguessed = chat(engine, text, asked)
    guessed_by(engine, Lookup)
    assert plain(unguessed) == plain(found)
    if found.ended == "context":
        batches = engine._batches[1]
        assert found.prompt_tokens + found.tokens == CONTEXT - batches.least + 2


def test_cancelling_leaves_what_was_said(engine: LlamaChat) -> None:
    asked = Sampling(30, temperature=0.0, seed=0, drafts=True)
    whole = chat(engine, "free", asked)
    cancel = Cancel()
    told: list[str] = []

    def on_piece(piece: str) -> None:
        told.append(piece)
        if len(told) == 3:
            cancel.set()

    cut = engine.chat(
        [{"role": "user", "content": "free"}], asked, on_piece=on_piece, cancel=cancel
    )
    assert (cut.ended, whole.text.startswith(cut.text)) == ("cancelled", True)
    assert plain(chat(engine, "free", asked)) == plain(whole)


def test_what_cannot_be_taken_back_or_does_not_fit_is_not_drafted(
    tiny_gguf: Path, tmp_path: Path
) -> None:
    convert(tiny_llama.make_checkpoint(tmp_path / "checkpoint", "gemma2"), tmp_path / "window.gguf")
    asked = Sampling(8, temperature=0.0, seed=0, drafts=True)
    for path, context in ((tmp_path / "window.gguf", CONTEXT), (tiny_gguf, DRAFTING_ROOM + 8)):
        opened = LlamaChat(Llama(path, Opening(context=context, threads=1)), threads=1)
        try:
            found = chat(opened, "free", asked)
            assert (found.drafted_tokens, opened._batches) == (0, {})
            assert plain(chat(opened, "free", replace(asked, drafts=False))) == plain(found)
        finally:
            opened.close()


def test_the_size_that_pays_most_is_taken() -> None:
    worth, dear = Worth(), Batches({2: 1.0, 4: 1.9, 8: 3.5})
    long = Guess(tuple(range(7)), 4)
    assert worth.size(Guess((), 0), dear, room=99) == 2
    assert worth.size(Guess((5,), 4), dear, room=99) == 2
    for _ in range(60):
        worth.learn(4, right=7, wrong=False)
    assert worth.size(long, dear, room=99) == 8
    assert worth.size(long, dear, room=7) == 4
    for _ in range(200):
        worth.learn(4, right=0, wrong=True)
    assert worth.size(long, dear, room=99) == 2


@pytest.mark.slow
def test_summaries_of_a_real_model_are_the_same_and_partly_guessed(tmp_path: Path) -> None:
    smollm2_model.make(tmp_path / "checkpoint")
    convert(tmp_path / "checkpoint", tmp_path / "whole.gguf")
    asked = llama_cpp.llama_model_quantize_default_params()
    asked.ftype, target = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, tmp_path / "model.gguf"
    llama_cpp.llama_model_quantize(
        str(tmp_path / "whole.gguf").encode(), str(target).encode(), asked
    )
    opened = LlamaChat(Llama(target, Opening(context=2048, threads=1, sequences=4)), threads=1)
    paragraphs = declaration.paragraphs("en")
    summary = Sampling(80, temperature=0.0, seed=0, drafts=True)
    try:
        for start in (0, 20, 40):
            text = "Write a summary of the text.\n\n" + "\n".join(paragraphs[start : start + 20])
            for wanted in (summary, replace(summary, temperature=0.7, seed=5)):
                guessed_by(opened, Lookup)
                found = chat(opened, text, wanted)
                guessed_by(opened, lambda prompt: Never())
                assert plain(chat(opened, text, wanted)) == plain(found)
                if opened._batches[1] is not None and wanted is summary:
                    assert found.accepted_tokens > 5
    finally:
        opened.close()

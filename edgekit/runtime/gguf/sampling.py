"""Chooses the next token: greedily, or by temperature and top-p, within a grammar if asked."""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import llama_cpp

from edgekit.data.conversation import Sampling
from edgekit.runtime.gguf.native import Llama

# Defaults, if neither the caller nor the model's authors say anything.
TEMPERATURE = 0.7
TOP_P = 0.95
TOP_K = 40
_REPEATS_WITHIN_TOKENS = 64
_MOST_SEED = 2**32 - 2  # the next is llama.cpp's word for "any"


@dataclass(frozen=True, slots=True)
class Choice:
    """How tokens are chosen, with every value resolved."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repeat: float
    """Repetition penalty: divides the scores of the latest tokens; 1 leaves them alone."""
    seed: int


def choose(asked: Sampling, model: Llama) -> Choice:
    """What was asked, else what the file recommends (`general.sampling.*`), else our defaults."""

    def advised(key: str, ours: float) -> float:
        found = model.metadata(f"general.sampling.{key}")
        return ours if found is None else float(found)

    return Choice(
        temperature=(
            advised("temp", TEMPERATURE) if asked.temperature is None else asked.temperature
        ),
        top_p=advised("top_p", TOP_P) if asked.top_p is None else asked.top_p,
        top_k=int(advised("top_k", TOP_K)),
        min_p=advised("min_p", 0.0),
        repeat=advised("penalty_repeat", 1.0),
        seed=secrets.randbelow(_MOST_SEED) if asked.seed is None else asked.seed,
    )


class Sampler:
    """Samples from one model; `next_token` records what it returns."""

    def __init__(self, model: Llama, choice: Choice, grammar: str | None) -> None:
        self._model = model
        # A grammar needs the same characters again and again.
        self._chain = _chain(choice if grammar is None else replace(choice, repeat=1.0))
        self._grammar = None if grammar is None else model.grammar(grammar)

    def next_token(self, place: int = -1) -> int:
        """`place` is that in the latest batch after which it comes, the last unless said."""
        if self._grammar is None:
            return self._model.sample(self._chain, place)
        # Cheaper than checking every token of the vocabulary against the grammar: check the
        # sampled one, and all of them only if it is refused.
        token = self._model.sample(self._chain, place)
        if not _allows(self._grammar, token):
            token = self._model.sample_within(self._chain, self._grammar, place)
        llama_cpp.llama_sampler_accept(self._grammar, token)
        return token

    def close(self) -> None:
        for sampler in (self._chain, self._grammar):
            if sampler is not None:
                llama_cpp.llama_sampler_free(sampler)


@contextmanager
def sampling(model: Llama, choice: Choice, grammar: str | None) -> Iterator[Sampler]:
    sampler = Sampler(model, choice, grammar)
    try:
        yield sampler
    finally:
        sampler.close()


def _chain(choice: Choice) -> Any:
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    samplers = []
    if choice.repeat != 1:
        samplers.append(
            llama_cpp.llama_sampler_init_penalties(_REPEATS_WITHIN_TOKENS, choice.repeat, 0.0, 0.0)
        )
    if choice.temperature == 0:
        samplers.append(llama_cpp.llama_sampler_init_greedy())
    else:
        samplers += [
            llama_cpp.llama_sampler_init_top_k(choice.top_k),
            llama_cpp.llama_sampler_init_top_p(choice.top_p, 1),
            llama_cpp.llama_sampler_init_min_p(choice.min_p, 1),
            llama_cpp.llama_sampler_init_temp(choice.temperature),
            llama_cpp.llama_sampler_init_dist(choice.seed),
        ]
    for sampler in samplers:
        llama_cpp.llama_sampler_chain_add(chain, sampler)
    return chain


def _allows(grammar: Any, token: int) -> bool:
    one = (llama_cpp.llama_token_data * 1)(llama_cpp.llama_token_data(token, 1.0, 0.0))
    candidates = llama_cpp.llama_token_data_array(one, 1, -1, False)
    llama_cpp.llama_sampler_apply(grammar, ctypes.byref(candidates))
    return bool(one[0].logit != float("-inf"))

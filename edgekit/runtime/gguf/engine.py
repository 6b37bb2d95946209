"""Answers from one GGUF: conversations, and how likely given answers are. One request at a time.

The KV cache is kept between calls, so that a conversation that goes on is not read again. With a
seed an answer must be reproducible to the letter, but rounding depends on how many tokens are read
at once: then only what was read in the same batches is reused.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import takewhile

import llama_cpp
import numpy as np

from edgekit.artifact.folder import Artifact
from edgekit.data.conversation import DAY, Ended, Message, Reply, Sampling
from edgekit.errors import ContextOverflow
from edgekit.runtime.engine import Asked
from edgekit.runtime.gguf.batches import Batches, measure
from edgekit.runtime.gguf.drafting import Drafting, Guessing, Worth
from edgekit.runtime.gguf.lookup import Lookup
from edgekit.runtime.gguf.native import Llama, Opening
from edgekit.runtime.gguf.prompts import Prompts
from edgekit.runtime.gguf.sampling import Sampler, choose, sampling
from edgekit.runtime.gguf.threads import Threads
from edgekit.runtime.memory import BATCH_TOKENS, cache_type, context_of
from edgekit.runtime.numerics import log_softmax
from edgekit.system import machine
from edgekit.system.cancel import Cancel, Cancelled

ANSWER_ROOM = 256
"""Tokens that must be left for an answer without a given length, in a large context."""
DRAFTING_ROOM = 16
"""Tokens of the context that must be left for an answer that is drafted."""
SEQUENCES = 16
"""One more than the number of labels that are scored side by side."""


def open_chat(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> LlamaChat:
    """The model of an artifact whose files were checked; needs none of `files`."""
    (name,) = artifact.manifest.model.files
    context = context_of(artifact.manifest, asked.context)
    opening = Opening(
        context=context,
        threads=asked.threads or machine.cores(),
        cache=cache_type(artifact.manifest, context),
        sequences=SEQUENCES,
    )
    return LlamaChat(Llama(artifact.path(name), opening), threads=asked.threads)


class LlamaChat:
    """Not thread-safe; its worker handles one request after the other."""

    def __init__(
        self,
        model: Llama,
        *,
        threads: int | None = None,
        guessing: Callable[[Sequence[int]], Guessing] = Lookup,
    ) -> None:
        """`threads` is what the caller asked for; None measures what is fastest now.

        `guessing` is made of a prompt, for answers that are drafted.
        """
        self.context = model.opening.context
        self._model = model
        self._threads = Threads(model, asked=threads)
        self._batches: dict[int, Batches | None] = {}
        """By the number of threads."""
        self._worth, self._guessing = Worth(), guessing
        self._regular = 0
        """How many tokens, from the very beginning, the model has read in whole batches."""
        # SentencePiece makes the space before a word part of it, even before the first one.
        self._begins_with_space = (
            model.metadata("tokenizer.ggml.model") == "llama"
            and model.metadata("tokenizer.ggml.add_space_prefix") != "false"
        )
        self._prompts = Prompts(
            model,
            model.metadata("tokenizer.chat_template"),
            bos=model.special_text("bos"),
            eos=model.special_text("eos"),
        )

    @property
    def version(self) -> str:
        return f"llama-cpp-python {llama_cpp.__version__}"

    def chat(
        self,
        messages: Sequence[Message],
        asked: Sampling,
        *,
        on_piece: Callable[[str], None],
        cancel: Cancel,
    ) -> Reply:
        """The model's answer, reported in pieces of whole characters while it is made.

        Raises ContextOverflow, TemplateError.
        """
        room = min(asked.max_tokens or ANSWER_ROOM, max(1, self.context // 4))
        begun = self._model.tokenize(asked.begun, special=False) if asked.begun else []
        tokens, dropped = self._prompts.fit(
            messages, context=self.context, room=room + len(begun), when_full=asked.when_full
        )
        tokens += begun
        choice = choose(asked, self._model)
        drop_space = self._begins_with_space and not begun
        said = _Said(on_piece, drop_space=drop_space, stops=asked.stop)
        reply = Reply(
            text="", ended="cancelled", dropped=dropped, prompt_tokens=len(tokens),
            reused_tokens=0, tokens=0,
        )  # fmt: skip
        try:
            drafting = self._drafting(tokens, cancel) if asked.drafts else None
            reused = self._read(tokens, cancel, exactly=asked.seed is not None)
        except Cancelled:
            return reply
        least = 1 if drafting is None else drafting.least
        with sampling(self._model, choice, asked.grammar) as sampler:
            made = (
                self._one_by_one(sampler, cancel)
                if drafting is None
                else drafting.tokens(sampler, context=self.context, cancel=cancel)
            )
            with closing(made):
                # After the last one, nothing more fits into the KV cache.
                most = self.context - len(tokens) - least + 2
                ended, count = self._answer(made, asked, said, most=most, cancel=cancel)
        said.finish()
        reply = replace(reply, text=said.text, ended=ended, reused_tokens=reused, tokens=count)
        if drafting is None:
            return reply
        return replace(reply, drafted_tokens=drafting.drafted, accepted_tokens=drafting.accepted)

    def score(
        self, messages: Sequence[Message], answers: Sequence[str], cancel: Cancel
    ) -> list[float]:
        """The log-probability that the model gives to each answer, its end included.

        Raises ContextOverflow if the longest does not fit, Cancelled.
        """
        found = [[*self._model.tokenize(text, special=False), self._model.end] for text in answers]
        tokens, _ = self._prompts.fit(
            messages, context=self.context, room=max(map(len, found)), when_full="error"
        )
        portions = _portions(
            found,
            most=self._model.opening.sequences - 1,
            # The answers of a batch lie side by side in the KV cache, after the prompt.
            most_tokens=min(BATCH_TOKENS, self.context - len(tokens)),
        )
        self._read(tokens, cancel, exactly=True)
        first = log_softmax(self._model.logits(), dtype=np.float64)
        scores = []
        for portion in portions:
            rows = self._model.continuations(portion, cancel)
            for answer, logits in zip(portion, rows, strict=True):
                likely = log_softmax(logits, dtype=np.float64)
                rest = likely[np.arange(len(answer) - 1), answer[1:]]
                scores.append(float(first[answer[0]] + rest.sum()))
        return scores

    def first_tokens(self, prompt: str | Sequence[Message], count: int) -> list[int]:
        """The likeliest `count` tokens, or fewer if the answer ends sooner.

        A plain text is continued without a template. Templates get one fixed date, so that the
        answers are the same on every day.
        """
        tokens = (
            self._model.tokenize(prompt, special=False, begins=True)
            if isinstance(prompt, str)
            else self._prompts.tokens(prompt, now=DAY)
        )
        if len(tokens) + count > self.context:
            raise ContextOverflow(
                f"The golden answers take {len(tokens) + count:,} tokens and the context is "
                f"{self.context:,}; load the model with a larger context."
            )
        cancel = Cancel()
        self._read(tokens, cancel, exactly=True)
        found = [int(np.argmax(self._model.logits()))]
        while len(found) < count and not self._model.is_end(found[-1]):
            self._model.evaluate(found[-1:], cancel)
            found.append(int(np.argmax(self._model.logits())))
        return found

    def count(self, prompt: str | Sequence[Message]) -> int:
        """The tokens of a text, or of a conversation up to where the answer begins."""
        return len(self.ids(prompt))

    def ids(self, prompt: str | Sequence[Message]) -> list[int]:
        """These tokens themselves."""
        if isinstance(prompt, str):
            return self._model.tokenize(prompt, special=False)
        return self._prompts.tokens(prompt)

    def forget(self) -> None:
        """Erases what is in the KV cache."""
        self._model.forget()
        self._regular = 0

    def close(self) -> None:
        self._model.close()

    def _read(self, tokens: Sequence[int], cancel: Cancel, *, exactly: bool) -> int:
        """Makes the KV cache hold exactly these tokens; returns how many it held already."""
        self._threads.settle()
        known = sum(1 for _ in takewhile(_same, zip(tokens, self._model.tokens, strict=False)))
        # The last one is read again: only that gives the logits of what follows.
        known = min(known, len(tokens) - 1)
        if exactly:
            known = min(known, self._regular) // BATCH_TOKENS * BATCH_TOKENS
        self._model.keep(known)
        known = len(self._model.tokens)
        self._regular = min(self._regular, known)
        regular = self._regular == known
        self._model.evaluate(tokens[known:], cancel)
        if regular:
            self._regular = len(tokens) // BATCH_TOKENS * BATCH_TOKENS
        return known

    def _drafting(self, prompt: Sequence[int], cancel: Cancel) -> Drafting | None:
        """None where guesses cannot be taken back, or change how others are rounded.

        Decided by nothing that another run could find otherwise. Raises Cancelled.
        """
        if not self._model.takes_back or self.context - len(prompt) < DRAFTING_ROOM:
            return None
        self._threads.settle()
        threads = self._threads.chosen
        if threads not in self._batches:
            self._model.keep(min(len(self._model.tokens), self.context - DRAFTING_ROOM))
            self._batches[threads] = measure(self._model, cancel)
        batches = self._batches[threads]
        if batches is None:
            return None
        return Drafting(self._model, batches, guessing=self._guessing(prompt), worth=self._worth)

    def _one_by_one(self, sampler: Sampler, cancel: Cancel) -> Generator[int]:
        while True:
            token = sampler.next_token()
            yield token
            self._model.evaluate([token], cancel)

    def _answer(
        self, tokens: Iterable[int], asked: Sampling, said: _Said, *, most: int, cancel: Cancel
    ) -> tuple[Ended, int]:
        """Tells an answer whose tokens are made as they are taken, and counts them."""
        count = 0
        with suppress(Cancelled):
            for token in tokens:
                if cancel.is_set():
                    break
                if self._model.is_end(token):
                    return "stop", count
                count += 1
                said.add(self._model.piece(token))
                if said.stopped:
                    return "stop", count
                if count == asked.max_tokens:
                    return "max_tokens", count
                if count == most:
                    return "context", count
        return "cancelled", count


class _Said:
    """Turns bytes of tokens into whole characters: one can be spread over several tokens."""

    def __init__(
        self,
        on_piece: Callable[[str], None],
        *,
        drop_space: bool = False,
        stops: Sequence[str] = (),
    ) -> None:
        self.text = ""
        self.stopped = False
        """Whether one of `stops` was said; neither it nor what follows it is told."""
        self._on_piece = on_piece
        self._drop_space = drop_space
        self._stops = stops
        self._held = ""
        """What could be the beginning of a stop."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes) -> None:
        self._hear(self._decoder.decode(data))

    def finish(self) -> None:
        self._hear(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        self._tell(held)

    def _hear(self, piece: str) -> None:
        if piece and self._drop_space:
            self._drop_space = False
            piece = piece.removeprefix(" ")
        if self.stopped or not piece:
            return
        whole, self._held = self._held + piece, ""
        places = [at for stop in self._stops if (at := whole.find(stop)) >= 0]
        if places:
            self.stopped = True
            self._tell(whole[: min(places)])
            return
        kept = max((_overlap(whole, stop) for stop in self._stops), default=0)
        self._held = whole[len(whole) - kept :]
        self._tell(whole[: len(whole) - kept])

    def _tell(self, piece: str) -> None:
        if piece:
            self.text += piece
            self._on_piece(piece)


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of a text a stop could begin with."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if text.endswith(stop[:n])), 0)


def _same(pair: tuple[int, int]) -> bool:
    return pair[0] == pair[1]


def _portions(
    answers: Sequence[list[int]], *, most: int, most_tokens: int
) -> list[list[list[int]]]:
    """The answers in order, grouped into those that are scored at once."""
    portions: list[list[list[int]]] = [[]]
    for answer in answers:
        last = portions[-1]
        if len(last) == most or sum(map(len, last)) + len(answer) > most_tokens:
            portions.append(last := [])
        last.append(answer)
    return [portion for portion in portions if portion]

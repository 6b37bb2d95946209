"""One GGUF in llama.cpp: its weights, its tokenizer and its KV cache. Knows no conversation.

A bad file or a fault in native code ends the process without an error (llama.cpp calls abort), so
only a worker may import this. Not thread-safe.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import llama_cpp
import numpy as np

from edgekit.errors import ArtifactError, DataError, OutOfMemoryBudget, WorkerError
from edgekit.runtime.gguf import loading
from edgekit.runtime.gguf.prepared import NORMALIZE, PREPEND, prepared
from edgekit.runtime.memory import BATCH_TOKENS, CacheType
from edgekit.system import room
from edgekit.system.cancel import Cancel, Cancelled

_CACHE_TYPES = {"f16": llama_cpp.GGML_TYPE_F16, "q8_0": llama_cpp.GGML_TYPE_Q8_0}
_ABORTED = 2
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama.cpp's llama_token_data."""
_MAX_PIECE_BYTES = 1024
_MAX_METADATA_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Opening:
    """How a model is opened."""

    context: int
    """Tokens that fit into its KV cache."""
    threads: int
    cache: CacheType = "f16"
    sequences: int = 1
    """How many continuations of one text can be evaluated side by side."""


class Llama:
    """A model and the tokens in its KV cache; `evaluate` adds to them, `keep` shortens them."""

    def __init__(self, path: Path, opening: Opening) -> None:
        """Raises ArtifactError for a file that llama.cpp refuses, OutOfMemoryBudget if the context
        is too large.
        """
        self.opening = opening
        self.tokens: list[int] = []
        """What is in the KV cache."""
        self._said = _hear()
        llama_cpp.llama_backend_init()
        self._model = _load(path, self._said)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._context = _open(self._model, opening, self._said)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._piece = ctypes.create_string_buffer(_MAX_PIECE_BYTES)
        self.vocabulary_size = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self._normalize = self.metadata(NORMALIZE) or ""
        self._prepend = self.metadata(PREPEND) or ""

    @property
    def trained_context(self) -> int:
        return int(llama_cpp.llama_model_n_ctx_train(self._model))

    def metadata(self, key: str) -> str | None:
        """A value of the file's header as text; None if it is missing."""
        buffer = ctypes.create_string_buffer(_MAX_METADATA_BYTES)
        size = llama_cpp.llama_model_meta_val_str(
            self._model, key.encode(), buffer, _MAX_METADATA_BYTES
        )
        if size >= _MAX_METADATA_BYTES:
            raise ArtifactError(
                f"The GGUF's '{key}' has {size:,} bytes, far too many; build again."
            )
        return None if size < 0 else buffer.value.decode("utf-8", "replace")

    def tokenize(self, text: str, *, special: bool, begins: bool = False) -> list[int]:
        """The ids of a text; with `special`, the texts of special tokens become those tokens.

        Without it they are plain letters, as a person who types them means them. `begins` says
        that a whole text begins here, and adds what the model wants at the beginning of texts.
        """
        prepend = self._prepend if begins else ""
        told = prepared(text, normalize=self._normalize, prepend=prepend)
        data = told.encode("utf-8", "replace")
        room = len(data) + 16
        while True:
            buffer = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(
                self._vocabulary, data, len(data), buffer, room, begins, special
            )
            if count >= 0:
                return list(buffer[:count])
            room = -count

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes that a token stands for; they may begin or end within a character."""
        size = llama_cpp.llama_token_to_piece(
            self._vocabulary, token, self._piece, _MAX_PIECE_BYTES, 0, special
        )
        return self._piece.raw[: max(size, 0)]

    def special_text(self, kind: Literal["bos", "eos"]) -> str:
        """The text of a special token, as templates write it; empty if there is none."""
        token = getattr(llama_cpp, f"llama_vocab_{kind}")(self._vocabulary)
        return "" if token < 0 else self.piece(token, special=True).decode("utf-8", "replace")

    def is_control(self, token: int) -> bool:
        """Whether this is a control token, which `tokenize` finds only with `special`."""
        return bool(llama_cpp.llama_vocab_is_control(self._vocabulary, token))

    def is_end(self, token: int) -> bool:
        """Whether a token ends an answer."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocabulary, token))

    @property
    def end(self) -> int:
        """The token that ends a turn; -1 if the model has none."""
        turn = int(llama_cpp.llama_vocab_eot(self._vocabulary))
        return turn if turn >= 0 else int(llama_cpp.llama_vocab_eos(self._vocabulary))

    @property
    def takes_back(self) -> bool:
        """Whether the latest tokens can be removed from its memory exactly.

        Not from a recurrent state, nor from a window that has moved on.
        """
        return (
            not llama_cpp.llama_model_is_recurrent(self._model)
            and not llama_cpp.llama_model_is_hybrid(self._model)
            and llama_cpp.llama_model_n_swa(self._model) == 0
        )

    def keep(self, count: int) -> None:
        """Forgets all but the first `count` tokens; everything, if it cannot forget only a part."""
        if count >= len(self.tokens):
            count = len(self.tokens)
        removed = llama_cpp.llama_memory_seq_rm(self._memory, 0, count, -1)
        if not removed:
            llama_cpp.llama_memory_clear(self._memory, True)
            count = 0
        del self.tokens[count:]

    def forget(self) -> None:
        """Forgets everything, and overwrites the memory that it was in."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self.tokens.clear()

    def evaluate(self, tokens: Sequence[int], cancel: Cancel) -> None:
        """Reads further tokens; `logits` and `sample` are then about the token after them.

        Raises Cancelled, WorkerError.
        """
        for start in range(0, len(tokens), BATCH_TOKENS):
            part = tokens[start : start + BATCH_TOKENS]
            buffer = (llama_cpp.llama_token * len(part))(*part)
            self._decode(llama_cpp.llama_batch_get_one(buffer, len(part)), cancel)
            self.tokens.extend(part)

    def evaluate_each(self, tokens: Sequence[int], cancel: Cancel) -> None:
        """Reads up to BATCH_TOKENS tokens in one batch, with the logits after each of them.

        Raises Cancelled, WorkerError.
        """
        with _batch(len(tokens)) as batch:
            for place, token in enumerate(tokens, start=len(self.tokens)):
                _add(batch, token, place, 0)
            self._decode(batch, cancel)
        self.tokens.extend(tokens)

    def continuations(
        self, answers: Sequence[Sequence[int]], cancel: Cancel
    ) -> Iterator[np.ndarray]:
        """The logits that predict each answer's tokens from the second on, each after `tokens`.

        Shape (tokens of the answer - 1, vocabulary); the KV cache stays as it was. Takes at most
        `opening.sequences` - 1 answers, and BATCH_TOKENS tokens in all.
        """
        rows = [(number, answer[:-1]) for number, answer in enumerate(answers, start=1)]
        with _batch(sum(len(part) for _, part in rows)) as batch:
            for number, part in rows:
                llama_cpp.llama_memory_seq_cp(self._memory, 0, number, -1, -1)
                for place, token in enumerate(part):
                    _add(batch, token, len(self.tokens) + place, number)
            try:
                if batch.n_tokens:
                    self._decode(batch, cancel)
                yield from self._rows([len(part) for _, part in rows])
            finally:
                for number, _ in rows:
                    llama_cpp.llama_memory_seq_rm(self._memory, number, -1, -1)

    def _rows(self, counts: Sequence[int]) -> Iterator[np.ndarray]:
        at = 0
        for count in counts:
            found = [self.logits(at + place) for place in range(count)]
            yield np.stack(found) if found else np.empty((0, self.vocabulary_size), np.float32)
            at += count

    def logits(self, place: int = -1) -> np.ndarray:
        """The logits of the token after a place of the latest batch, the last unless said.

        float32 of shape (vocabulary,), a copy.
        """
        pointer = llama_cpp.llama_get_logits_ith(self._context, place)
        return np.ctypeslib.as_array(pointer, shape=(self.vocabulary_size,)).copy()

    def sample(self, sampler: Any, place: int = -1) -> int:
        """The next token, by a sampler of llama.cpp, which records it; `place` as in `logits`."""
        return int(llama_cpp.llama_sampler_sample(sampler, self._context, place))

    def sample_within(self, sampler: Any, grammar: Any, place: int = -1) -> int:
        """The next token among those that a grammar allows."""
        rows = np.empty(self.vocabulary_size, _CANDIDATE)
        rows["id"], rows["logit"], rows["p"] = np.arange(len(rows)), self.logits(place), 0
        first = rows.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data))
        candidates = llama_cpp.llama_token_data_array(first, len(rows), -1, False)
        for step in (grammar, sampler):
            llama_cpp.llama_sampler_apply(step, ctypes.byref(candidates))
        token = int(candidates.data[candidates.selected].id)
        llama_cpp.llama_sampler_accept(sampler, token)
        return token

    def grammar(self, text: str) -> Any:
        """A sampler for a GBNF grammar; raises DataError if llama.cpp refuses it."""
        self._said.clear()
        sampler = llama_cpp.llama_sampler_init_grammar(self._vocabulary, text.encode(), b"root")
        if not sampler:
            raise DataError(
                f"llama.cpp refuses the form that the answer should have ({_last(self._said)}); "
                "ask for a simpler one."
            )
        return sampler

    def set_threads(self, threads: int) -> None:
        llama_cpp.llama_set_n_threads(self._context, threads, threads)

    def close(self) -> None:
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def _decode(self, batch: Any, cancel: Cancel) -> None:
        """Reads one batch, atomically: nothing of a failed one stays in the KV cache."""
        llama_cpp.llama_set_abort_callback(self._context, _IS_SET, cancel.address)
        code = llama_cpp.llama_decode(self._context, batch)
        if code == 0:
            return
        if code == _ABORTED:
            raise Cancelled
        raise WorkerError(
            f"llama.cpp failed to read {batch.n_tokens} tokens (code {code}: {_last(self._said)}); "
            "try again, or with a smaller context."
        )


def _c_library() -> ctypes.CDLL:
    return ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)


# Called by llama.cpp's threads, which would have to wait for the GIL to ask Python. The flag of
# Cancel is an empty C string until it is set, then one of one letter: its length is the answer.
_IS_SET = ctypes.cast(_c_library().strlen, llama_cpp.ggml_abort_callback)


def _hear() -> list[str]:
    """Collects in a short list what llama.cpp would print."""
    said: list[str] = []

    @llama_cpp.llama_log_callback
    def note(level: int, text: bytes, data: Any) -> None:
        if level >= 3 and text.strip():
            said.append(text.decode("utf-8", "replace").strip())
            del said[:-20]

    llama_cpp.llama_log_set(note, ctypes.c_void_p(0))
    _HEARD.append(note)
    return said


_HEARD: list[Any] = []
"""Kept forever: native code calls it until the process ends."""


def _last(said: Sequence[str]) -> str:
    return said[-1] if said else "it does not say why"


def _remedy(said: Sequence[str]) -> str:
    """What cures a file that llama.cpp cannot open, by its reason."""
    reason = " ".join(said)
    if room.OUT_OF_MEMORY.search(reason):
        return "close other programs and try again"
    if re.search(r"unknown model architecture|unknown (?:pre-tokenizer|tokenizer)", reason):
        return "install a newer llama-cpp-python: pip install --upgrade llama-cpp-python"
    return "copy the artifact again or build it again, or install a newer llama-cpp-python"


def _load(path: Path, said: Sequence[str]) -> Any:
    settings = loading.settings()
    settings.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), settings)
    if not model:
        raise ArtifactError(
            f"{path.name}: llama.cpp cannot open this file ({said[0] if said else 'no reason'}); "
            f"{_remedy(said)}."
        )
    return model


def _open(model: Any, opening: Opening, said: Sequence[str]) -> Any:
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = opening.context
    settings.n_batch = min(BATCH_TOKENS, opening.context)
    settings.n_ubatch = settings.n_batch
    settings.n_seq_max = opening.sequences
    settings.kv_unified = True
    settings.n_threads = settings.n_threads_batch = opening.threads
    settings.type_k = settings.type_v = _CACHE_TYPES[opening.cache]
    # Only flash attention can read an 8-bit cache. Otherwise it is off: it rounds more, and
    # differently for each number of threads and of tokens.
    settings.flash_attn_type = (
        llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if opening.cache == "f16"
        else llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
    )
    settings.no_perf = True
    context = llama_cpp.llama_init_from_model(model, settings)
    if not context:
        llama_cpp.llama_model_free(model)
        raise OutOfMemoryBudget(
            f"llama.cpp cannot make room for a context of {opening.context} tokens "
            f"({_last(said)}); ask for a smaller context or close other programs."
        )
    return context


@contextmanager
def _batch(tokens: int) -> Iterator[Any]:
    batch = llama_cpp.llama_batch_init(max(tokens, 1), 0, 1)
    try:
        yield batch
    finally:
        llama_cpp.llama_batch_free(batch)


def _add(batch: Any, token: int, position: int, sequence: int) -> None:
    at = batch.n_tokens
    batch.token[at] = token
    batch.pos[at] = position
    batch.n_seq_id[at] = 1
    batch.seq_id[at][0] = sequence
    batch.logits[at] = 1
    batch.n_tokens = at + 1

"""Opens GGUF files with llama.cpp. For child processes only: a bad file ends the whole process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from edgekit.errors import ExportError
from edgekit.runtime.gguf import loading
from edgekit.runtime.gguf.prepared import NORMALIZE, PREPEND, prepared

_ERROR_LEVEL = 4
LOGITS_BYTES = 64_000_000
"""Logits of one batch; with a vocabulary of 262,144 pieces each token takes 1 MB."""
MOST_BATCH, LEAST_BATCH = 512, 32


class _Complaints:
    """Silences llama.cpp's log, except its first error: the others follow from that one."""

    def __init__(self) -> None:
        self.first = ""
        # ctypes keeps no reference to a callback; without this one it would be freed.
        self.callback = llama_cpp.llama_log_callback(self._hear)

    def _hear(self, level: int, text: bytes, _: object) -> None:
        if level == _ERROR_LEVEL and not self.first:
            self.first = text.decode("utf-8", errors="replace").strip()


_COMPLAINTS = _Complaints()


@contextmanager
def open_model(path: Path, *, vocabulary_only: bool = False) -> Iterator[Any]:
    """A `llama_model`; raises ExportError where llama.cpp refuses the file."""
    llama_cpp.llama_log_set(_COMPLAINTS.callback, None)
    llama_cpp.llama_backend_init()
    settings = loading.settings()
    settings.vocab_only = vocabulary_only
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
    if not model:
        raise ExportError(f"{path.name}: llama.cpp cannot open it ({_COMPLAINTS.first}).")
    try:
        yield model
    finally:
        llama_cpp.llama_model_free(model)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model says about itself; a token's text is empty where there is no such token."""

    template: str
    """The chat template; empty where there is none."""
    bos: str
    bos_id: int
    """-1 where there is none."""
    eos: str
    add_bos: bool
    """Plain texts begin with `bos`."""


def facts(model: Any) -> Facts:
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    template = llama_cpp.llama_model_chat_template(model, None)
    bos, eos = llama_cpp.llama_vocab_bos(vocabulary), llama_cpp.llama_vocab_eos(vocabulary)
    return Facts(
        template=(template or b"").decode("utf-8"),
        bos=_text(vocabulary, bos),
        bos_id=bos,
        eos=_text(vocabulary, eos),
        add_bos=bool(llama_cpp.llama_vocab_get_add_bos(vocabulary)),
    )


def _metadata(model: Any, key: str) -> str:
    """A short text from the file's header; empty where there is none."""
    buffer = ctypes.create_string_buffer(64)
    size = llama_cpp.llama_model_meta_val_str(model, key.encode(), buffer, len(buffer))
    return buffer.value.decode("utf-8") if size >= 0 else ""


def _text(vocabulary: Any, token: int) -> str:
    if token < 0:
        return ""
    return bytes(llama_cpp.llama_vocab_get_text(vocabulary, token) or b"").decode("utf-8")


def is_end(model: Any, token: int) -> bool:
    """Whether a token ends an answer."""
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    return bool(llama_cpp.llama_vocab_is_eog(vocabulary, token))


def vocabulary_size(model: Any) -> int:
    return int(llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model)))


def pieces(model: Any) -> list[str]:
    """The text of every piece, by id, as the file spells it."""
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    return [_text(vocabulary, number) for number in range(vocabulary_size(model))]


def piece_bytes(model: Any, token: int) -> int:
    """How many bytes of a text a token stands for; for a control token, those of its name."""
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    # Without room it returns how much it would need.
    return abs(int(llama_cpp.llama_token_to_piece(vocabulary, token, None, 0, 0, True)))


def batch_tokens(model: Any) -> int:
    """How many tokens to read at once, so that their logits stay small."""
    fitting = LOGITS_BYTES // (4 * vocabulary_size(model))
    return max(LEAST_BATCH, min(MOST_BATCH, fitting))


@contextmanager
def open_context(
    model: Any, *, tokens: int, threads: int, settings: Any = None
) -> Iterator[Reader]:
    """A reader for sequences of up to `tokens` tokens.

    `settings` are `llama_context_params` with further fields set, such as a callback.
    """
    settings = settings or llama_cpp.llama_context_default_params()
    settings.n_ctx = max(tokens, LEAST_BATCH)
    settings.n_batch = settings.n_ubatch = min(batch_tokens(model), settings.n_ctx)
    settings.n_threads = settings.n_threads_batch = threads
    settings.no_perf = True
    context = llama_cpp.llama_init_from_model(model, settings)
    if not context:
        raise ExportError(f"llama.cpp cannot read with this model ({_COMPLAINTS.first}).")
    batch = llama_cpp.llama_batch_init(settings.n_batch, 0, 1)
    try:
        yield Reader(model, context, batch, settings.n_batch)
    finally:
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)


class Reader:
    """Reads one sequence at a time and gives its logits."""

    def __init__(self, model: Any, context: Any, batch: Any, most: int) -> None:
        self._context, self._batch, self.most = context, batch, most
        self._memory = llama_cpp.llama_get_memory(context)
        self._vocabulary = vocabulary_size(model)
        self._read = 0

    def forget(self) -> None:
        """Starts another sequence."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._read = 0

    def logits(self, tokens: Sequence[int]) -> np.ndarray:
        """The logits of every token, after all read before; float32 of shape (tokens, vocabulary).

        At most `most` tokens at once. The array is llama.cpp's own, and the next call changes it.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place] = token
            batch.pos[place] = self._read + place
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = 0
            batch.logits[place] = True
        failed = llama_cpp.llama_decode(self._context, batch)
        if failed:
            raise ExportError(
                f"llama.cpp cannot read these tokens ({_COMPLAINTS.first or failed})."
            )
        self._read += len(tokens)
        pointer = llama_cpp.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, shape=(len(tokens), self._vocabulary))


def tokenize(model: Any, text: str, *, special: bool) -> list[int]:
    """See predicting.tokenize."""
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    prepend = "" if special else _metadata(model, PREPEND)
    told = prepared(text, normalize=_metadata(model, NORMALIZE), prepend=prepend)
    data = told.encode("utf-8")
    room = len(data) + 8
    tokens = (llama_cpp.llama_token * room)()
    count = llama_cpp.llama_tokenize(
        vocabulary, data, len(data), tokens, room, not special, special
    )
    if count < 0:
        raise ExportError(f"llama.cpp cannot read the text '{text[:60]}' ({_COMPLAINTS.first}).")
    return list(tokens[:count])


def spells_special(model: Any, text: str) -> bool:
    """Whether a part of the text is the name of a control token."""
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    data = text.encode("utf-8")
    tokens = (llama_cpp.llama_token * (len(data) + 8))()
    # No tokens are added here: those would be control tokens too.
    count = llama_cpp.llama_tokenize(vocabulary, data, len(data), tokens, len(tokens), False, True)
    return any(llama_cpp.llama_vocab_is_control(vocabulary, token) for token in tokens[:count])

"""Runs the two ONNX files of an encoder-decoder model. Knows no texts and chooses no tokens.

The KV caches stay in onnxruntime from step to step; only logits become numpy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgekit.runtime.ort import onnxruntime
from edgekit.runtime.seq2seq.files import cache_names
from edgekit.runtime.sessions import open_session, remedies

Caches = dict[str, Any]
Opener = Callable[[Callable[[], bytes], int], Any]
"""Opens a file on a number of threads: an onnxruntime session, or what acts like one."""


class Network:
    """The logits of the next tokens; safe to use from several threads."""

    def __init__(
        self,
        read_encoder: Callable[[], bytes],
        read_decoder: Callable[[], bytes],
        *,
        threads: int,
        open_one: Opener = open_session,
    ) -> None:
        self._encoder = open_one(read_encoder, threads)
        self._decoder = open_one(read_decoder, threads)
        inputs = {entry.name: entry.shape for entry in self._decoder.get_inputs()}
        self._layers = sum(name.startswith("past_key_") for name in inputs)
        self._past = cache_names("past_", self._layers)
        self._present = cache_names("present_", self._layers)
        self._source = cache_names("", self._layers)
        self._empty = {
            name: _value(np.zeros((1, inputs[name][1], 0, inputs[name][3]), np.float32))
            for name in self._past
        }
        self._nothing = {
            name: _value(np.zeros((1, inputs[name][1], 0, inputs[name][3]), np.float32))
            for name in self._source
        }
        # The embedding table is in the decoder's file; a look-up must not run the rest of it.
        self._lookup = onnxruntime.RunOptions()
        self._lookup.only_execute_path_to_fetches = True

    def read(self, pieces: Sequence[int]) -> Reading:
        """Reads a source text, special tokens included."""
        with remedies(f"failed on a text of {len(pieces)} tokens"):
            (embedded,) = self._decoder.run_with_ort_values(
                ["embedded"],
                {
                    "pieces": _value(np.array(pieces, np.int64)),
                    "order": _value(np.zeros(len(pieces), np.int64)),
                    **self._empty,
                    **self._nothing,
                },
                self._lookup,
            )
            found = self._encoder.run_with_ort_values(self._source, {"embedded": embedded})
        return Reading(self, dict(zip(self._source, found, strict=True)))

    def step(
        self, pieces: np.ndarray, order: np.ndarray, past: Caches, source: Caches
    ) -> tuple[np.ndarray, Caches]:
        feeds = {"pieces": _value(pieces), "order": _value(order), **past, **source}
        with remedies("failed while it wrote"):
            logits, *present = self._decoder.run_with_ort_values(["logits", *self._present], feeds)
        return logits.numpy(), dict(zip(self._past, present, strict=True))

    def close(self) -> None:
        del self._encoder, self._decoder

    @property
    def empty(self) -> Caches:
        return self._empty


class Reading:
    """One source text that was read, and its summary so far."""

    def __init__(self, network: Network, source: Caches) -> None:
        self._network = network
        self._source = source
        self._past = network.empty

    def next(self, pieces: Sequence[int], order: Sequence[int]) -> np.ndarray:
        """Logits of shape (beams, vocabulary) after these tokens, one for each beam.

        `order` says which of the last step's beams each one continues; at first there is one.
        """
        logits, self._past = self._network.step(
            np.array(pieces, np.int64), np.array(order, np.int64), self._past, self._source
        )
        return logits


def _value(array: np.ndarray) -> Any:
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)

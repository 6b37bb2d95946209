"""Compares the exported pair of files with the checkpoint, and candidates with the pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.rows import Row
from edgekit.export.onnx.proving import refuse_difference
from edgekit.job.job import OutputJob
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.seq2seq.network import Opener
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.runtime.sessions import open_session
from edgekit.runtime.tokens import TOKENIZER

MOST_LOGIT_ERROR = 1e-3
"""Relative to the largest logit, where that is over 1."""

GOLDEN_TEXTS = 8
"""Texts of a self-test."""
GOLDEN_TOKENS = 12
# The margin in logits over the runner-up that makes a token the same on every CPU.
CLEAR_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Parity:
    generation: Generation
    texts: int
    same: int
    """Texts whose answer is the same piece by piece; one may differ where two pieces are nearly
    equally likely."""


def open_pair(
    job: OutputJob, folder: Path, generation: Generation, *, open_one: Opener = open_session
) -> Seq2SeqWriter:
    """The same engine that will answer users."""
    return Seq2SeqWriter(
        lambda name: (folder / name).read_bytes(),
        (job.checkpoint / TOKENIZER).read_bytes(),
        generation,
        prefix=job.prefix,
        max_tokens=job.max_tokens,
        open_one=open_one,
    )


def of_row(job: OutputJob, pair: Seq2SeqWriter, row: Row) -> Seq2SeqWriter:
    """The engine for a row: with the tokens of its direction, where rows have one."""
    return pair.framed(job.frames[str(row.language)]) if job.frames else pair


def clear_tokens(writer: Seq2SeqWriter, text: str) -> list[int]:
    """The first tokens of the likeliest answer, as far as they are the same on every CPU."""
    found = []
    for piece, margin in writer.greedy(text, GOLDEN_TOKENS):
        if margin < CLEAR_MARGIN:
            break
        found.append(piece)
    return found


def prove(job: OutputJob, folder: Path, rows: Sequence[Row]) -> Parity:
    """Compares logits along transformers' own answers, and the answers themselves.

    Raises ExportError where a logit differs by more than MOST_LOGIT_ERROR.
    """
    # The checkpoint answers through torch.
    import torch

    from edgekit.checkpoint import models
    from edgekit.checkpoint.generation import search_settings

    model: Any = models.load_seq2seq(job.checkpoint)
    generation, same = search_settings(model), 0
    with torch.inference_mode():
        pair = open_pair(job, folder, generation)
        for row in rows:
            own, asked = of_row(job, pair, row), {}
            if job.frames and (first := job.frames[str(row.language)].first) is not None:
                asked["forced_bos_token_id"] = first
            ids = own.first_window(row.text)
            inputs = torch.tensor([ids])
            # Sampling would prove nothing.
            whole = model.generate(inputs, do_sample=False, **asked)[0]
            wanted = model(input_ids=inputs, decoder_input_ids=whole[None, :-1]).logits[0].numpy()
            _check(own.logits(ids, whole[1:].tolist()), wanted, row.text)
            same += own.pieces(ids) == _ended(whole[1:].tolist(), generation)
        pair.close()
    return Parity(generation, len(rows), same)


def _check(found: np.ndarray, wanted: np.ndarray, text: str) -> None:
    error = np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max())
    refuse_difference(np.array([error]), [text], what="logits", most=MOST_LOGIT_ERROR)


def _ended(pieces: list[int], generation: Generation) -> list[int]:
    """Up to the first piece that ends; everything after it is padding."""
    ends = [number for number, piece in enumerate(pieces) if piece in generation.eos_token_ids]
    return pieces[: ends[0] + 1] if ends else pieces

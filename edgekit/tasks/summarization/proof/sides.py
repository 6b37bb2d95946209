"""The sides of a summarizer's bench, each in a subprocess of its own (bench/serving.py).

Both cut a long text into parts in the same way and write with the same number of beams and tokens:
only the engine that reads and writes a part differs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgekit.bench.serving import Answered, Side, verbs
from edgekit.runtime.tokens import TOKENIZER, load_tokenizer
from edgekit.tasks.summarization.summary import Summary, Told

# A side's imports are part of its cold start, so each function below has its own.


def open_artifact(folder: Path, threads: int) -> Side:
    """What a user runs: `edgekit.load` with all its checks."""
    import edgekit
    from edgekit.artifact.folder import read, read_file

    model = edgekit.load(folder, threads=threads)
    tokenizer = read_file(read(folder), TOKENIZER)
    return _side(lambda text, tell: model.summarize(text, on_told=tell), tokenizer)


def open_torch(folder: Path, threads: int, **asked: Any) -> Side:
    """The checkpoint in PyTorch, fp32: transformers' `generate`, or sentence vectors."""
    import torch

    from edgekit.tasks.summarization.proof import sides_torch

    torch.set_num_threads(threads)
    return _side(sides_torch.summarizer(folder, **asked), folder / TOKENIZER)


def _side(
    summarize: Callable[[str, Callable[[Told], None]], Summary], tokenizer: Path | bytes
) -> Side:
    pieces = load_tokenizer(tokenizer)

    def one(text: str) -> Answered:
        began, first = time.perf_counter(), list[float]()

        def tell(told: Told) -> None:
            if told.piece and not first:
                first.append(1000 * (time.perf_counter() - began))

        found = summarize(text, tell)
        tokens = len(pieces.encode(found.text, add_special_tokens=False).ids)
        return Answered(found.text, tokens, first[0] if first else None)

    return Side(one=one, many=lambda texts: [one(text).answer for text in texts])


SIDES: Mapping[str, Callable[..., Side]] = {"artifact": open_artifact, "torch_fp32": open_torch}

VERBS = verbs(SIDES)

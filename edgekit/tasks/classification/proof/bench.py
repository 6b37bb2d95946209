"""One side of a bench, in a subprocess: `python -m edgekit.tasks.classification.proof.bench`.

It is spoken to over its stdin and stdout (runtime/wire.py) and ends when its stdin does. Knows
nothing of the other sides; every side turns a string into an answer, tokenization included. Here
are those of classifiers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.bench.serve import serve
from edgekit.errors import EdgekitError
from edgekit.system import machine

if TYPE_CHECKING:
    import numpy as np

# A side's own imports are a part of its cold start, so each function below has its own.


@dataclass(frozen=True, slots=True)
class Answered:
    """What a side says of one text."""

    answer: str
    tokens: int = 0
    """Of a side that writes, what its answer has of its own pieces."""
    first_ms: float | None = None
    """Until the first words of it; None for sides that say all at once."""


@dataclass(frozen=True, slots=True)
class Side:
    one: Callable[[str], Answered]
    many: Callable[[Iterable[str]], list[str]]
    """The answers to several texts, as fast as this side can."""


def open_artifact(folder: Path, threads: int, **_: Any) -> Side:
    """What a user runs: `edgekit.load` with all that it checks."""
    import edgekit

    model = edgekit.load(folder, threads=threads)
    return Side(
        one=lambda text: Answered(model.classify(text).label),
        many=lambda texts: [answer.label for answer in model.classify(texts)],
    )


def open_torch(folder: Path, threads: int, prefix: str, max_tokens: int) -> Side:
    """The checkpoint in PyTorch, fp32."""
    import torch

    from edgekit.checkpoint import models

    torch.set_num_threads(threads)
    model = models.load_classifier(folder)

    def logits(ids: list[int]) -> np.ndarray:
        tokens = torch.tensor([ids])
        with torch.inference_mode():
            found: np.ndarray = (
                model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits[0].numpy()
            )
        return found

    return _checkpoint_side(folder, prefix, max_tokens, logits)


def open_onnx(folder: Path, threads: int, prefix: str, max_tokens: int, model: str) -> Side:
    """An ONNX form of the checkpoint in ONNX Runtime, with the artifact's options.

    So only the weights differ. Spinning threads, its default, would double its times on a machine
    with anything else to do.
    """
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def logits(ids: list[int]) -> np.ndarray:
        tokens = np.array([ids], dtype=np.int64)
        known = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        found: np.ndarray = session.run(["logits"], {name: known[name] for name in names})[0][0]
        return found

    return _checkpoint_side(folder, prefix, max_tokens, logits)


def _checkpoint_side(
    folder: Path, prefix: str, max_tokens: int, logits: Callable[[list[int]], np.ndarray]
) -> Side:
    """With the tokenizer that the artifact has too, so that only the engines differ."""
    import numpy as np

    from edgekit.checkpoint.describe import describe
    from edgekit.runtime.tokens import TextTokenizer
    from edgekit.tasks.classification.answer import answer

    encoder = TextTokenizer(folder / "tokenizer.json", prefix=prefix, max_tokens=max_tokens)
    labels = describe(folder).labels
    if labels is None:
        raise EdgekitError(f"{folder}: this checkpoint has no classification head; fine-tune it.")

    def one(text: str) -> str:
        found = np.mean([logits(ids) for ids in encoder.windows(text)], axis=0)
        return answer(found, labels).label

    return Side(
        one=lambda text: Answered(one(text)), many=lambda texts: [one(text) for text in texts]
    )


SIDES: Mapping[str, Callable[..., Side]] = {
    "artifact": open_artifact,
    "torch_fp32": open_torch,
    "ort_fp32": open_onnx,
    "optimum_int8": open_onnx,
}


class Server:
    """Opens one of these sides and asks it."""

    def __init__(self, sides: Mapping[str, Callable[..., Side]]) -> None:
        self._sides = sides
        self._side: Side | None = None

    def reply(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        if verb == "open":
            open_side = self._sides[request.pop("side")]
            self._side = open_side(Path(request.pop("folder")), **request)
            return {}
        if verb == "usage":
            return {
                "cpu_ms": 1000 * time.process_time(),
                "peak_rss_bytes": machine.peak_rss_bytes(),
            }
        if self._side is None:
            raise EdgekitError("This side of the bench was asked before it was opened.")
        if verb == "many":
            began = time.perf_counter()
            self._side.many(request["texts"])
            return {"seconds": time.perf_counter() - began}
        return _measure(self._side, request["texts"])


def _measure(side: Side, texts: list[str]) -> dict[str, Any]:
    answered, wall, cpu = [], [], []
    for text in texts:
        began, cpu_began = time.perf_counter(), time.process_time()
        answered.append(side.one(text))
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - cpu_began))
    return {
        "answers": [one.answer for one in answered],
        "tokens": [one.tokens for one in answered],
        "first_ms": [one.first_ms for one in answered],
        "ms": wall,
        "cpu_ms": cpu,
    }


if __name__ == "__main__":
    serve(Server(SIDES).reply)

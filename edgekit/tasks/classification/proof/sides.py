"""The sides of a classifier's bench, each in a subprocess of its own (bench/serving.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.bench.serving import Answered, Side, verbs
from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    import numpy as np

    from edgekit.data.inputs import Input
    from edgekit.runtime.tokens import Part
    from edgekit.tasks.classification.answer import Answer

# A side's imports are part of its cold start, so each function below has its own.


def open_artifact(folder: Path, threads: int, **_: Any) -> Side:
    """What a user runs: `edgekit.load` with all its checks."""
    import edgekit

    model = edgekit.load(folder, threads=threads)
    return Side(
        one=lambda text: Answered(_said(model.classify(text))),
        many=lambda texts: [_said(answer) for answer in model.classify(texts)],
    )


def _said(found: Answer) -> str:
    return ", ".join(found.labels)


def open_torch(folder: Path, threads: int, prefix: str, max_tokens: int) -> Side:
    """The checkpoint in PyTorch, fp32."""
    import torch

    from edgekit.checkpoint import models
    from edgekit.checkpoint.encoders import has_types

    torch.set_num_threads(threads)
    model = models.load_classifier(folder)
    types = has_types(model.config)

    def logits(part: Part) -> np.ndarray:
        tokens = torch.tensor([part.ids])
        typed = {"token_type_ids": torch.tensor([part.types])} if types and part.types else {}
        with torch.inference_mode():
            found: np.ndarray = (
                model(input_ids=tokens, attention_mask=torch.ones_like(tokens), **typed)
                .logits[0]
                .numpy()
            )
        return found

    return _checkpoint_side(folder, prefix, max_tokens, logits)


def open_onnx(folder: Path, threads: int, prefix: str, max_tokens: int, model: str) -> Side:
    """An ONNX form of the checkpoint in ONNX Runtime, with the artifact's options.

    So only the weights differ. ONNX Runtime's default, spinning threads, would double its times on
    a machine with anything else to do.
    """
    import numpy as np

    from edgekit.runtime.ort import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def logits(part: Part) -> np.ndarray:
        tokens = np.array([part.ids], dtype=np.int64)
        typed = np.array([part.types], dtype=np.int64) if part.types else np.zeros_like(tokens)
        known = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": typed,
        }
        found: np.ndarray = session.run(["logits"], {name: known[name] for name in names})[0][0]
        return found

    return _checkpoint_side(folder, prefix, max_tokens, logits)


def _checkpoint_side(
    folder: Path, prefix: str, max_tokens: int, logits: Callable[[Part], np.ndarray]
) -> Side:
    """Uses the same tokenizer as the artifact, so that only the engines differ."""
    import numpy as np

    from edgekit.checkpoint.describe import describe
    from edgekit.runtime.tokens import TextTokenizer
    from edgekit.tasks.classification.answer import answer

    encoder = TextTokenizer(folder / "tokenizer.json", prefix=prefix, max_tokens=max_tokens)
    labels = describe(folder).labels
    if labels is None:
        raise EdgekitError(f"{folder}: this checkpoint has no classification head; fine-tune it.")

    def one(text: Input) -> str:
        found = np.mean([logits(part) for part in encoder.parts(text)], axis=0)
        return _said(answer(found, labels))

    return Side(
        one=lambda text: Answered(one(text)), many=lambda texts: [one(text) for text in texts]
    )


SIDES: Mapping[str, Callable[..., Side]] = {
    "artifact": open_artifact,
    "torch_fp32": open_torch,
    "ort_fp32": open_onnx,
    "optimum_int8": open_onnx,
}

VERBS = verbs(SIDES)

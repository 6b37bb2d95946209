"""The sides of a translator's bench, each in a subprocess of its own (bench/serving.py).

Both cut a text into the same sentences and write with the same number of beams and tokens: only the
engine that reads and writes a sentence differs. Texts are in the artifact's first direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgekit.artifact.specs import Frame
from edgekit.bench.serving import Answered, Side, verbs
from edgekit.runtime.tokens import TOKENIZER, load_tokenizer
from edgekit.tasks.translation.translated import Translation
from edgekit.wording.directions import split

# A side's imports are part of its cold start, so each function below has its own.


def open_artifact(folder: Path, threads: int) -> Side:
    """What a user runs: `edgekit.load` with all its checks."""
    import edgekit
    from edgekit.artifact.folder import read, read_file

    model = edgekit.load(folder, threads=threads)
    source, target = split(model.manifest.languages[0]) or ("", "")
    tokenizer = read_file(read(folder), TOKENIZER)
    return _side(lambda text: model.translate(text, to=target, from_=source), tokenizer)


def open_torch(
    folder: Path,
    threads: int,
    *,
    prefix: str,
    max_tokens: int,
    direction: str,
    frame: Mapping[str, Any],
    generation: Mapping[str, Any],
) -> Side:
    """The checkpoint in PyTorch, fp32: transformers' `generate`."""
    import torch

    from edgekit.tasks.translation.proof import sides_torch

    torch.set_num_threads(threads)
    translate = sides_torch.translator(
        folder,
        max_tokens=max_tokens,
        direction=direction,
        frame=Frame(tuple(frame["before"]), tuple(frame["after"]), frame["first"]),
        generation=generation,
    )
    return _side(translate, folder / TOKENIZER)


def _side(translate: Callable[[str], Translation], tokenizer: Path | bytes) -> Side:
    pieces = load_tokenizer(tokenizer)

    def one(text: str) -> Answered:
        found = translate(text)
        tokens = len(pieces.encode(found.text, add_special_tokens=False).ids)
        return Answered(found.text, tokens, None)

    return Side(one=one, many=lambda texts: [one(text).answer for text in texts])


SIDES: Mapping[str, Callable[..., Side]] = {"artifact": open_artifact, "torch_fp32": open_torch}

VERBS = verbs(SIDES)

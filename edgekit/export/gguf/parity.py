"""Proves that an f16 GGUF predicts what its checkpoint does in fp32, on real texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.data import scripts
from edgekit.errors import ExportError
from edgekit.runtime.numerics import kl_divergence
from edgekit.system import allocator, child, machine
from edgekit.system.serving import Verb

MOST_DIVERGENCE = 1e-4
"""Mean Kullback-Leibler divergence in nats; half precision alone causes about 1e-5."""
_MODULE = "edgekit.export.gguf.parity"
_SEQUENCES, _LONGEST = 8, 48


def prove(checkpoint: Path, model: Path, *, texts: Sequence[str], threads: int) -> dict[str, Any]:
    """Raises ExportError where they differ by more than half precision explains.

    Reads the beginnings of up to 8 of the texts, evenly chosen; where all are empty, texts of our
    own. Returns what was found, and `peak_bytes` of the process that did it.
    """
    told = [text for text in texts if text.strip()] or scripts.hard_texts()
    request = {
        "checkpoint": checkpoint,
        "model": model,
        "texts": list(told[:: max(1, len(told) // _SEQUENCES)][:_SEQUENCES]),
        "threads": threads,
    }
    doing = f"gguf: comparing {model.name} with the checkpoint"
    found = child.ask(_MODULE, "compare", request, doing=doing)
    if not found["kld"] <= MOST_DIVERGENCE:
        raise ExportError(
            f"gguf: {model.name} predicts otherwise than the checkpoint: they diverge by "
            f"{found['kld']:.2g} nats a token (at most {MOST_DIVERGENCE:g} is allowed), most on "
            f"the text '{found['worst'][:60]}'; the installed llama.cpp does not compute this "
            "checkpoint as transformers does."
        )
    del found["worst"]
    return found


def compare(checkpoint: Path, model: Path, *, texts: Sequence[str], threads: int) -> dict[str, Any]:
    """What `prove` returns, and the text that differs most; for child processes only."""
    import torch

    from edgekit.checkpoint import streaming  # see opening
    from edgekit.export.gguf import opening

    torch.set_num_threads(threads)
    tokenizer = tokenizing.load(checkpoint)
    tokens = [tokenizer.encode(text).ids[:_LONGEST] for text in texts]
    with (
        opening.open_model(model) as opened,
        opening.open_context(opened, tokens=_LONGEST, threads=threads) as reader,
    ):
        rows = []
        for one, wanted in zip(tokens, streaming.logits(checkpoint, tokens), strict=True):
            reader.forget()
            parts = [one[at : at + reader.most] for at in range(0, len(one), reader.most)]
            found = np.concatenate([reader.logits(part).copy() for part in parts])
            rows.append(kl_divergence(wanted, found, dtype=np.float64))
    worst = int(np.argmax([row.mean() for row in rows]))
    every = np.concatenate(rows)
    return {
        "kld": round(float(every.mean()), 9),
        "tokens": len(every),
        "worst": texts[worst],
        "peak_bytes": machine.peak_rss_bytes(),
    }


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    allocator.give_back(least_bytes=machine.MIB)
    return compare(
        Path(request["checkpoint"]),
        Path(request["model"]),
        texts=request["texts"],
        threads=request["threads"],
    )


VERBS: Mapping[str, Verb] = {"compare": _run}

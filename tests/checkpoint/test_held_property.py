"""No drawn checkpoint is read otherwise than transformers reads it, unless an error says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings

from edgekit.build import importing
from edgekit.checkpoint import models, streaming
from edgekit.checkpoint.describe import describe
from edgekit.errors import EdgekitError
from edgekit.runtime.tokens import TextTokenizer
from edgekit.tables import Family
from tests.tiny import drawn

MOST_ERROR = 1e-3
KINDS = {"encoders": drawn.ENCODERS, "decoders": drawn.DECODERS, "seq2seq": drawn.SEQ2SEQ}
EXAMPLES = {"encoders": 24, "decoders": 14, "seq2seq": 12}
"""50 in all."""
SHRUNK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("family", KINDS)
def test_what_edgekit_reads_is_what_transformers_reads(family: str, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    @settings(SHRUNK, max_examples=EXAMPLES[family])
    @given(one=drawn.drawn(KINDS[family]))
    def run(one: drawn.Drawn) -> None:
        with drawn.made(one) as (folder, model, tokenizer):
            try:
                compare(folder, model, tokenizer)
            except EdgekitError as error:
                seen[str(error).partition(": ")[2][:60]] += 1
            else:
                seen["alike"] += 1

    run()
    print(seen)
    assert seen["alike"] >= EXAMPLES[family] // 4, seen


def compare(folder: Path, model: Any, tokenizer: Any) -> None:
    """Imports and holds a checkpoint as a build does, and compares what was imported."""
    out = folder.parent / "imported"
    out.mkdir()
    importing.import_checkpoint(folder, out)
    assert tokenizer is not None, "transformers cannot load what edgekit read without an error"
    window = describe(out).max_tokens
    importing.hold(out, drawn.TEXTS, prefix="", max_tokens=window)
    encoder = TextTokenizer(out / "tokenizer.json", max_tokens=window)
    wanted = []
    for text in drawn.TEXTS:
        windows = encoder.windows(text)
        if len(windows) > 1:
            continue  # cut into parts, which transformers does not do
        ids, logits = drawn.truth(model, tokenizer, text)
        assert windows[0] == ids, text
        if ids:
            wanted.append((text, ids, logits))
    found = ours(out, [ids for _, ids, _ in wanted])
    for (text, _, logits), one in zip(wanted, found, strict=True):
        assert np.abs(one - logits).max() <= MOST_ERROR * max(1.0, np.abs(logits).max()), text


@torch.inference_mode()
def ours(folder: Path, asked: list[list[int]]) -> list[np.ndarray]:
    family = describe(folder).family
    if family is Family.DECODER:
        return list(streaming.logits(folder, asked))
    load: Any = models.load_classifier if family is Family.ENCODER else models.load_seq2seq
    model = load(folder)
    found = []
    for ids in asked:
        inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids))}
        if family is Family.SEQ2SEQ:
            inputs["decoder_input_ids"] = torch.tensor([[2, *ids[:4]]])
        found.append(model(**inputs).logits[0].numpy())
    return found

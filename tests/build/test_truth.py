"""No artifact of a drawn checkpoint answers otherwise than transformers, unless an error says so.

500 checkpoints of all families, saved by transformers 4 and 5, each exported and run as a user's
machine runs it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.build import importing
from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.generation import search_settings
from edgekit.checkpoint.tokenizer import Preparation
from edgekit.errors import EdgekitError
from edgekit.export.gguf import opening
from edgekit.export.gguf.convert import convert
from edgekit.export.gguf.trials import told_text
from edgekit.export.onnx import tracing
from edgekit.export.onnx.seq2seq import tracing as pairs
from edgekit.runtime.numerics import softmax
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.runtime.tokens import TextTokenizer
from tests.tiny import artifact as tiny_artifact
from tests.tiny import drawn

MOST_ERROR = 1e-3
LABELS = ("LABEL_0", "LABEL_1", "LABEL_2")
TEXTS = drawn.TEXTS[:7]
SHORT = ("a", "é")
"""Also within the contexts that a sliding window leaves."""


def classified(out: Path, window: int, model: Any, tokenizer: Any) -> int:
    """The scores of a loaded artifact, in fp32."""
    folder = out.parent / "artifact"
    folder.mkdir()
    tracing.export_classifier(out, folder)
    (folder / "tokenizer.json").write_bytes((out / "tokenizer.json").read_bytes())
    for name in ("LICENSE", "MODEL_CARD.md"):
        (folder / name).write_text("Made in a test.\n")
    told = tiny_artifact.fields(
        labels=list(LABELS), max_tokens=window, quantization="none", temperature=1.0
    )
    golden = tiny_artifact.golden_answers(folder, told, TEXTS[:1])
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    artifact.write(folder, told)
    compared = 0
    with edgekit.load(folder) as loaded:
        for text in TEXTS:
            ids, logits = drawn.truth(model, tokenizer, text, most=window)
            answer = loaded.classify(text)
            if ids and answer.parts == 1:
                found = np.array([answer.scores[label] for label in LABELS])
                assert np.abs(found - softmax(logits)).max() <= MOST_ERROR, text
                compared += 1
    return compared


def written(out: Path, window: int, model: Any, tokenizer: Any) -> int:
    """The logits of the exported pair of files, token by token."""
    folder = out.parent / "pair"
    folder.mkdir()
    pairs.export(out, folder)
    model.generation_config.decoder_start_token_id = 2
    pair = Seq2SeqWriter(
        lambda name: (folder / name).read_bytes(),
        (out / "tokenizer.json").read_bytes(),
        search_settings(model),
        max_tokens=window,
    )
    compared = 0
    for text in TEXTS:
        ids, logits = drawn.truth(model, tokenizer, text, most=window)
        if ids:
            found = pair.logits(pair.first_window(text), [*ids[:4], 0])
            error = np.abs(found - logits).max() / max(1.0, np.abs(logits).max())
            assert error <= MOST_ERROR, text
            compared += 1
    pair.close()
    return compared


def continued(out: Path, window: int, model: Any, tokenizer: Any) -> int:
    """The ids and the probabilities of the converted file, whose weights are halves."""
    path = out.parent / "model.gguf"
    record = convert(out, path)
    begins = tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    assert record["tokenizer"]["add_bos"] is begins
    compared, told = 0, record["tokenizer"]
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    preparation = Preparation(prepend=told["prepend"], normalize=told["normalize"])
    with (
        opening.open_model(path) as opened,
        opening.open_context(opened, tokens=64, threads=1) as reader,
    ):
        # Of a sliding window, which llama.cpp does not have here, the context is the rest.
        most = min(window, reader.most, record["context"])
        for text in (*TEXTS, *SHORT):
            ids, logits = drawn.truth(model, tokenizer, text, most=most)
            if not ids or logits is None:
                continue
            told = told_text(text, preparation, tokenizer.backend_tokenizer)
            if not any(
                one in text for one in added
            ):  # as users write: nothing in it is a special token
                assert opening.tokenize(opened, text, special=False) == ids, text
            else:
                bare = tokenizer(text, add_special_tokens=False)["input_ids"]
                assert opening.tokenize(opened, told, special=True) == bare, text
            reader.forget()
            found = softmax(reader.logits(ids).copy())
            assert np.abs(found - softmax(logits)).max() <= MOST_ERROR, text
            compared += 1
    return compared


Compare = Callable[[Path, int, Any, Any], int]
PARTS: list[tuple[str, tuple[str, ...], Compare, int, int]] = [
    *(("encoders", drawn.ENCODERS, classified, 25, part) for part in range(12)),
    *(("seq2seq", drawn.SEQ2SEQ, written, 20, part) for part in range(5)),
    *(("decoders", drawn.DECODERS, continued, 10, part) for part in range(10)),
]
assert sum(part[3] for part in PARTS) == 500


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part[0]}-{part[4]}")
def test_an_artifact_answers_as_transformers_does(
    part: tuple[str, tuple[str, ...], Compare, int, int],
) -> None:
    _, kinds, compare, examples, number = part
    seen: Counter[str] = Counter()

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(one=drawn.drawn(kinds))
    def run(one: drawn.Drawn) -> None:
        with drawn.made(one) as (folder, model, tokenizer):
            try:
                out = folder.parent / "imported"
                out.mkdir()
                importing.import_checkpoint(folder, out)
                window = describe(out).max_tokens
                importing.hold(out, TEXTS, prefix="", max_tokens=window)
                TextTokenizer(out / "tokenizer.json", max_tokens=window)
                compared = compare(out, window, model, tokenizer)
            except EdgekitError as error:
                seen[" ".join(str(error).split()[1:12])] += 1
            else:
                assert compared
                seen["alike"] += 1

    torch.set_num_threads(1)
    run()
    assert seen["alike"] >= examples // 5, seen

"""Holds edgekit's reading of a checkpoint against transformers' own: ids, and what the model says.

Teacher, proof and artifact all read a checkpoint through edgekit. Where that were wrong, all three
would be wrong alike, so once for each checkpoint transformers is asked as any program would ask it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

from edgekit.checkpoint import auto_tokenizer, models, streaming, widths
from edgekit.checkpoint.describe import STATIC, Description, describe
from edgekit.checkpoint.encoders import has_types
from edgekit.data import inputs, scripts
from edgekit.data.inputs import Input, Pair
from edgekit.errors import CheckpointError
from edgekit.runtime.tokens import TOKENIZER, Part, TextTokenizer, clean
from edgekit.system import machine
from edgekit.system.serving import Verb
from edgekit.tables import Family

VERSION = 1
MOST_ERROR = 1e-3
"""In logits or hidden states; relative to the largest of a text where that is over 1."""
MOST_BYTES = 1_500_000_000
"""Of a decoder's weights in fp32: of a larger one only the first layers are run, and the head."""
ANSWERED = 16
"""Of the rows, evenly chosen; at most TOKENS of each are read."""
TOKENS = {Family.ENCODER: 128, Family.SEQ2SEQ: 128, Family.DECODER: 48}
MOST_WINDOW = 1024
"""The longest window is as long as the model's, but no longer than any table of positions."""
_ADDED = 8
_LOADERS = {
    Family.DECODER: AutoModelForCausalLM,
    Family.SEQ2SEQ: AutoModelForSeq2SeqLM,
}


def check(
    folder: Path, texts: Sequence[Input], *, prefix: str = "", max_tokens: int
) -> dict[str, Any]:
    """Compares ids on all texts, and answers on those, the longest window and the added tokens;
    of pairs, ids and token types, and the answers to the pairs that fit into a window.

    Raises CheckpointError for the first difference; returns what was compared.
    """
    description = describe(folder)
    theirs = auto_tokenizer.load(folder)
    single = inputs.all_texts(texts)
    rows = [prefix + clean(text) for text in single if text.strip()] or list(scripts.hard_texts())
    pairs = [(prefix + clean(one[0]), clean(one[1])) for one in texts if not isinstance(one, str)]
    read = [*rows, *auto_tokenizer.of_added(theirs, rows=description.vocabulary)]
    auto_tokenizer.refuse_difference(folder / TOKENIZER, theirs, read, place=folder)
    auto_tokenizer.refuse_pair_difference(folder, theirs, pairs)
    record: dict[str, Any] = {"texts": len(read), "answers": 0}
    if description.model_type == STATIC or (folder / widths.FILE).is_file():
        return record  # made by edgekit: transformers cannot build these
    asked = list(_asked(folder, description, rows, pairs, theirs, max_tokens))
    with torch.inference_mode():
        wanted = list(_library(folder, description, theirs, [text for text, _ in asked]))
        found = list(_ours(folder, description, [part for _, part in asked]))
    for (text, _), one, other in zip(asked, found, wanted, strict=True):
        _refuse(folder, description, text, one, other)
    return {**record, "answers": len(asked)}


def _asked(
    folder: Path,
    description: Description,
    rows: Sequence[str],
    pairs: Sequence[Pair],
    theirs: Any,
    max_tokens: int,
) -> Iterator[tuple[Input, Part]]:
    """What fits into the window, and its tokens: of the rows, the longest, the added tokens."""
    encoder = TextTokenizer(folder / TOKENIZER, max_tokens=max_tokens)
    size = min(max_tokens, TOKENS[description.family])
    added = auto_tokenizer.added(theirs, rows=description.vocabulary, most=_ADDED)
    texts = [*rows[:: max(1, len(rows) // ANSWERED)][:ANSWERED]]
    texts += [f"a {one} b" for one in added]
    told = [fitting(encoder, text, size) for text in texts]
    if description.family is not Family.DECODER:  # whose positions are computed, not looked up
        told.append(longest(encoder, rows, min(max_tokens, MOST_WINDOW)))
    for text in told:
        yield text, Part(encoder.tokenizer.encode(text).ids)
    if not pairs:
        return
    some = [*pairs[:: max(1, len(pairs) // ANSWERED)][:ANSWERED]]
    both = [_fitting_pair(encoder, one, size) for one in some]
    both += [_fitting_pair(encoder, (f"a {one} b", f"{one} c"), size) for one in added]
    both.append(_fitting_pair(encoder, (told[-1], told[-1]), min(max_tokens, MOST_WINDOW)))
    # transformers takes an empty second text for none.
    for pair in filter(all, both):
        [part] = encoder.parts(pair)
        yield pair, part


def _fitting_pair(encoder: TextTokenizer, pair: Pair, max_tokens: int) -> Pair:
    """As much of the beginning of both texts as fits into one window: of the first half of it."""
    first = fitting(encoder, pair[0], max_tokens // 2)
    return first, fitting(encoder, pair[1], max_tokens, first=first)


def fitting(encoder: TextTokenizer, text: str, max_tokens: int, *, first: str | None = None) -> str:
    """As much of the beginning of a text as fits into one window, behind the first of a pair."""
    encode: Any = encoder.tokenizer.encode
    before = () if first is None else (first,)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if len(encode(*before, text[:middle]).ids) <= max_tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def longest(encoder: TextTokenizer, rows: Sequence[str], max_tokens: int) -> str:
    """A text that fills the window as far as these rows, one after the other, can fill it."""
    text = " ".join(rows)
    while len(encoder.tokenizer.encode(text).ids) < max_tokens:
        text = f"{text} {text} a"
    return fitting(encoder, text, max_tokens)


def _library(
    folder: Path, description: Description, tokenizer: Any, texts: Sequence[Input]
) -> Iterator[np.ndarray]:
    """transformers' answers, one text at a time."""
    family = description.family
    settings: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    config = models.read_config(folder)
    if getattr(config, "attn_logit_softcapping", None):
        # Its other implementations leave the soft cap out, against which it warns itself.
        settings["attn_implementation"] = "eager"
    if (layers := _layers(description)) is not None:
        models.keep_first(config, layers)
        settings["config"] = config
    loader = _LOADERS.get(family) or (
        AutoModel if description.labels is None else AutoModelForSequenceClassification
    )
    with models.quiet():
        model = loader.from_pretrained(folder, trust_remote_code=False, **settings).float().eval()
    takes = inspect.signature(model.forward).parameters
    for text in texts:
        told = tokenizer(*inputs.texts(text), return_tensors="pt", verbose=False)
        given = {name: values for name, values in told.items() if name in takes}
        if family is Family.SEQ2SEQ:
            given["decoder_input_ids"] = _begun(model, given["input_ids"])
        if family is not Family.ENCODER:
            given.pop("token_type_ids", None)  # generate() leaves them out
        try:
            yield _answer(model(**given))
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder}: transformers itself fails on the text {inputs.shown(text, 60)!r} "
                f"({type(error).__name__}: {str(error)[:200]}); mend the checkpoint first."
            ) from error


def _ours(folder: Path, description: Description, asked: Sequence[Part]) -> Iterator[np.ndarray]:
    """The answers of edgekit's own loaders to the same."""
    if description.family is Family.DECODER:
        windows = [part.ids for part in asked]
        yield from streaming.logits(folder, windows, layers=_layers(description))
        return
    if description.family is Family.SEQ2SEQ:
        model: Any = models.load_seq2seq(folder)
    elif description.labels is None:
        model = models.load_encoder(folder)
    else:
        model = models.load_classifier(folder)
    for part in asked:
        given = {"input_ids": torch.tensor([part.ids])}
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        if part.types and has_types(model.config):
            given["token_type_ids"] = torch.tensor([part.types])
        if description.family is Family.SEQ2SEQ:
            given["decoder_input_ids"] = _begun(model, given["input_ids"])
        yield _answer(model(**given))


def _layers(description: Description) -> int | None:
    """How many layers of a decoder are run; None for all."""
    if description.family is not Family.DECODER or description.fp32_bytes <= MOST_BYTES:
        return None
    share = MOST_BYTES / description.fp32_bytes
    return max(1, min(description.layers, int(share * description.layers)))


def _begun(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """A start of an answer: the start token, and some of the text's own."""
    start = model.config.decoder_start_token_id
    return torch.cat([torch.full((1, 1), int(start or 0)), ids[:, :8]], dim=1)


def _answer(output: Any) -> np.ndarray:
    found = output.logits if "logits" in output else output.last_hidden_state
    return np.asarray(found[0].float().numpy())


def _refuse(
    folder: Path, description: Description, text: Input, found: np.ndarray, wanted: np.ndarray
) -> None:
    same = found.shape == wanted.shape
    error = float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max())) if same else np.inf
    if not error <= MOST_ERROR:
        raise CheckpointError(
            f"{folder}: transformers' own {description.model_type} answers otherwise than edgekit "
            f"reads the model, by {error:.2g} (at most {MOST_ERROR:g} is allowed), on the text "
            f"{inputs.shown(text, 60)!r}; this checkpoint cannot be compressed with the installed "
            "versions."
        )


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    found = check(
        Path(request["folder"]),
        [inputs.from_json(one) for one in request["texts"]],
        prefix=request["prefix"],
        max_tokens=request["max_tokens"],
    )
    return {**found, "peak_bytes": machine.peak_rss_bytes()}


VERBS: Mapping[str, Verb] = {"check": _run}

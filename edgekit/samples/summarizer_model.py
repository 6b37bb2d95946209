"""Makes a small encoder-decoder that can do nothing yet but point, and a tokenizer for it.

A summary repeats words of its text, and a model with random weights needs more updates to find out
how than a small machine has time for. So the weights begin as a pointer: the decoder looks for the
piece that it just wrote among the pieces of the text, and writes the one that came after it (an
induction head: Olsson et al. 2022, arXiv 2209.11895). Starting from what training would find is
mimetic initialization (Trockman and Kolter 2023, arXiv 2305.09828).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from edgekit.checkpoint import models as checkpoints
from edgekit.samples import readmes

PIECES = 24_000
WINDOW = 192
LONGEST_SUMMARY = 32
WIDTH, HEADS = 256, 4
# The bucket of T5's relative positions that holds the previous position.
_ONE_BEFORE = 1
# How strongly that position is preferred, and how little randomness is left in what the head asks
# for: in logits, and as a factor.
_CERTAIN, _QUIET = 7.0, 0.1
_SHARPNESS = 0.14
"""Gives the position that is asked for about 8 logits more than the others."""
_SOFT = 0.3
_SPECIAL = ("<pad>", "</s>", "<unk>")
_LICENCE = "Weights by chance; anybody may do anything with them.\n"


def make(folder: Path, texts: Iterable[str], *, pieces: int = PIECES, seed: int) -> None:
    """Writes a T5 with random weights and a Unigram tokenizer of these texts into `folder`."""
    folder.mkdir(parents=True)
    tokenizer = _tokenizer(texts, pieces)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "decoder_start_token_id": 0, "n_positions": WINDOW, "tie_word_embeddings": False,
    }  # fmt: skip
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=WIDTH,
            d_kv=WIDTH // HEADS,
            num_heads=HEADS,
            d_ff=4 * WIDTH,
            num_layers=4,
            num_decoder_layers=3,
            # It sees each row only a few times, too seldom to learn any by heart.
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
            **settings,
        )
    )
    checkpoints.untie_head(model)
    with torch.no_grad():
        point(model)
    config: Any = model.generation_config
    config.update(
        max_length=LONGEST_SUMMARY, num_beams=2, no_repeat_ngram_size=3, early_stopping=True
    )
    checkpoints.write(model, folder)
    (folder / "LICENSE").write_text(_LICENCE, encoding="utf-8")
    (folder / "README.md").write_text(readmes.text("summarizer-model.md"), encoding="utf-8")


def point(model: Any) -> None:
    """Turns random weights into a model that continues where the text does.

    An encoder head adds to every piece the identity of the one before it. One layer of the decoder
    asks for the position whose previous piece is the one just written, and all layers write what
    they find.
    """
    share = WIDTH // HEADS
    turned, before, added = _turn(WIDTH, WIDTH), _turn(WIDTH, share).T, _turn(WIDTH, share)
    # What is found is rotated, so that it is not mistaken for the piece that was just written.
    model.lm_head.weight.copy_(model.shared.weight @ turned.T * WIDTH**-0.5)
    for half in (model.encoder, model.decoder):
        for block in half.block:
            _soften(block)
    first: Any = model.encoder.block[0].layer[0]
    looks_back = first.SelfAttention
    looks_back.relative_attention_bias.weight[_ONE_BEFORE, 0] = _CERTAIN
    looks_back.q.weight[:share] *= _QUIET
    looks_back.v.weight[:share] = before
    looks_back.o.weight[:, :share] = 2 * added
    for block in model.decoder.block:
        block.layer[1].EncDecAttention.v.weight.copy_(torch.eye(WIDTH))
        block.layer[1].EncDecAttention.o.weight.copy_(turned)
    asks = model.decoder.block[1].layer[1].EncDecAttention
    # Each head carries a part of what is found; all of them ask the same.
    asks.q.weight.copy_(_SHARPNESS * before.repeat(HEADS, 1))
    asks.k.weight.copy_(added.T.repeat(HEADS, 1))


def _soften(block: Any) -> None:
    """Scales random layers down, so that they do not drown out what passes by them."""
    for layer in block.layer[:-1]:
        attention = getattr(layer, "SelfAttention", None) or layer.EncDecAttention
        attention.o.weight *= _SOFT
    block.layer[-1].DenseReluDense.wo.weight *= _SOFT


def _turn(rows: int, columns: int) -> torch.Tensor:
    """A random rotation: its columns are orthonormal."""
    return torch.linalg.qr(torch.randn(rows, columns))[0]


def _tokenizer(texts: Iterable[str], pieces: int) -> PreTrainedTokenizerFast:
    """A tokenizer of T5's kind; ends every text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        texts,
        trainers.UnigramTrainer(
            vocab_size=pieces, special_tokens=list(_SPECIAL), unk_token="<unk>", show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=WINDOW,
    )

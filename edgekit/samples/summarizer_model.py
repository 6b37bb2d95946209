"""Makes a small encoder-decoder that knows nothing yet, and a tokenizer for its languages."""

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

PIECES = 24_000
WINDOW = 256
LONGEST_SUMMARY = 32
_SPECIAL = ("<pad>", "</s>", "<unk>")
_LICENCE = "Weights by chance; anybody may do anything with them.\n"


def make(folder: Path, texts: Iterable[str], *, pieces: int = PIECES, seed: int) -> None:
    """Writes a T5 with weights by chance and a Unigram tokenizer of these texts into `folder`."""
    folder.mkdir(parents=True)
    tokenizer = _tokenizer(texts, pieces)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=256,
            d_kv=64,
            num_heads=4,
            d_ff=1024,
            num_layers=4,
            num_decoder_layers=3,
            dropout_rate=0.05,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            n_positions=WINDOW,
        )
    )
    config: Any = model.generation_config
    config.update(
        max_length=LONGEST_SUMMARY, num_beams=2, no_repeat_ngram_size=3, early_stopping=True
    )
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "LICENSE").write_text(_LICENCE, encoding="utf-8")
    (folder / "README.md").write_text(
        "---\nlicense: cc0-1.0\n---\nA T5 of 12 million parameters that has learnt nothing yet.\n",
        encoding="utf-8",
    )


def _tokenizer(texts: Iterable[str], pieces: int) -> PreTrainedTokenizerFast:
    """Of the kind that T5 has; ends every text."""
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

"""Makes a small Marian that can do nothing yet, as Marians are published: sentencepiece's files.

One model reads a language and writes several: the first piece of a text says into which, as in
OPUS-MT's multilingual models (Tiedemann and Thottingal 2020).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel

from edgekit.checkpoint import models as checkpoints
from edgekit.samples import readmes

PIECES = 10_000
"""Of each of the two sides; what both have is one piece."""
WINDOW = 192
LONGEST = 160
WIDTH, HEADS = 256, 4
_END, _UNKNOWN, _PAD = "</s>", "<unk>", "<pad>"
_OWN = 3
"""Pieces of sentencepiece's that are no text: unknown, begin and end."""
_LICENCE = "Weights by chance; anybody may do anything with them.\n"


def make(
    folder: Path,
    sources: Iterable[str],
    targets: Iterable[str],
    *,
    source: str,
    codes: Mapping[str, str],
    pieces: int = PIECES,
    seed: int,
) -> None:
    """Writes a Marian with random weights into `folder`.

    `sources` and `targets` are texts to make pieces of; `codes` has the piece that asks for each
    target language.
    """
    folder.mkdir(parents=True)
    found: dict[str, None] = {}
    for file, texts in (("source.spm", sources), ("target.spm", targets)):
        model = _pieces(texts, pieces)
        (folder / file).write_bytes(model)
        reader = sentencepiece.SentencePieceProcessor(model_proto=model)
        found |= dict.fromkeys(
            reader.id_to_piece(number) for number in range(_OWN, reader.get_piece_size())
        )
    listed = [_END, _UNKNOWN, *found, *codes.values(), _PAD]
    vocabulary = {name: number for number, name in enumerate(listed)}
    _write(folder / "vocab.json", vocabulary)
    told = {"source_lang": source, "target_lang": next(iter(codes)), "model_max_length": WINDOW}
    _write(folder / "tokenizer_config.json", told)
    torch.manual_seed(seed)
    checkpoints.write(_model(len(vocabulary)), folder)
    (folder / "LICENSE").write_text(_LICENCE, encoding="utf-8")
    (folder / "README.md").write_text(readmes.text("translator-model.md"), encoding="utf-8")


def _pieces(texts: Iterable[str], count: int) -> bytes:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=out,
        vocab_size=count,
        model_type="unigram",
        hard_vocab_limit=False,
        # The same texts give the same pieces.
        num_threads=1,
        minloglevel=2,
    )
    return out.getvalue()


def _model(vocabulary: int) -> Any:
    end, pad = 0, vocabulary - 1
    model: Any = MarianMTModel(
        MarianConfig(
            vocab_size=vocabulary,
            decoder_vocab_size=vocabulary,
            d_model=WIDTH,
            encoder_layers=4,
            decoder_layers=3,
            encoder_attention_heads=HEADS,
            decoder_attention_heads=HEADS,
            encoder_ffn_dim=4 * WIDTH,
            decoder_ffn_dim=4 * WIDTH,
            max_position_embeddings=WINDOW,
            activation_function="swish",
            scale_embedding=True,
            dropout=0.1,
            pad_token_id=pad,
            eos_token_id=end,
            bos_token_id=None,
            decoder_start_token_id=pad,
            forced_eos_token_id=None,
        )
    )
    model.generation_config.update(
        max_length=LONGEST, num_beams=2, bad_words_ids=[[pad]], forced_eos_token_id=end
    )
    return model


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")

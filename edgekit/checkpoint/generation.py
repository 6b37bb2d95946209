"""Reads a checkpoint's search settings for summaries. Needs transformers; runs no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import GenerationConfig, PreTrainedModel

from edgekit.errors import ExportError
from edgekit.runtime.seq2seq.generation import Generation

# Settings that change answers and that the runtime lacks, with the values that have no effect.
_WITHOUT = {
    "diversity_penalty": (None, 0.0),
    "dola_layers": (None,),
    "encoder_repetition_penalty": (None, 1.0),
    "exponential_decay_length_penalty": (None,),
    "guidance_scale": (None, 1, 1.0),
    "num_beam_groups": (None, 1),
    "penalty_alpha": (None, 0.0),
    "sequence_bias": (None,),
}


def search_settings(model: PreTrainedModel) -> Generation:
    """The settings of `generation_config.json`, or of a config.json that still has them.

    A model that is set to sample searches for the likeliest summary instead. Raises ExportError
    for settings that the runtime lacks.
    """
    config: Any = model.generation_config or GenerationConfig()
    for name, idle in _WITHOUT.items():
        if getattr(config, name, None) not in idle:
            raise ExportError(
                f"onnx: the checkpoint's generation settings have {name}, which edgekit's runtime "
                "does not know; take it out of generation_config.json."
            )
    start = next(
        (
            found
            for found in (config.decoder_start_token_id, config.bos_token_id)
            if found is not None
        ),
        None,
    )
    ends = _numbers(config.eos_token_id)
    if start is None or not ends:
        raise ExportError(
            "onnx: the checkpoint does not say with which piece a summary begins and ends; set "
            "decoder_start_token_id and eos_token_id in generation_config.json."
        )
    return Generation(
        decoder_start_token_id=int(start),
        eos_token_ids=ends,
        num_beams=config.num_beams or 1,
        max_length=_longest(model, config),
        min_length=max(config.min_length or 0, 1 + (config.min_new_tokens or -1)),
        length_penalty=_or(config.length_penalty, 1.0),
        early_stopping=_or(config.early_stopping, False),
        no_repeat_ngram_size=config.no_repeat_ngram_size or 0,
        encoder_no_repeat_ngram_size=config.encoder_no_repeat_ngram_size or 0,
        repetition_penalty=_or(config.repetition_penalty, 1.0),
        forced_bos_token_id=config.forced_bos_token_id,
        forced_eos_token_ids=_numbers(config.forced_eos_token_id),
        bad_words_ids=tuple(map(tuple, config.bad_words_ids or ())),
        suppress_tokens=_numbers(config.suppress_tokens),
        begin_suppress_tokens=_numbers(config.begin_suppress_tokens),
    )


def _longest(model: Any, config: Any) -> int:
    """Most tokens, the start token included; no more than the decoder has positions for."""
    longest = 1 + config.max_new_tokens if config.max_new_tokens else config.max_length or 20
    positions = getattr(model.config, "max_position_embeddings", None)
    return int(longest if positions is None else min(longest, positions))


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _numbers(value: int | Sequence[int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)

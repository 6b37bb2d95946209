"""Search settings of summaries: those of Hugging Face's `generate` that decide it. Runs nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from edgekit.errors import ArtifactError

# How much longer than asked a summary may be, so that its last sentence can end.
SLACK = 1.25

EarlyStopping = bool | Literal["never"]


@dataclass(frozen=True, slots=True)
class Generation:
    """Names, meanings and defaults are those of transformers' GenerationConfig."""

    decoder_start_token_id: int
    eos_token_ids: tuple[int, ...]
    num_beams: int = 1
    max_length: int = 20
    """Most tokens, the start token included."""
    min_length: int = 0
    length_penalty: float = 1.0
    early_stopping: EarlyStopping = False
    no_repeat_ngram_size: int = 0
    encoder_no_repeat_ngram_size: int = 0
    repetition_penalty: float = 1.0
    forced_bos_token_id: int | None = None
    forced_eos_token_ids: tuple[int, ...] = ()
    bad_words_ids: tuple[tuple[int, ...], ...] = ()
    suppress_tokens: tuple[int, ...] = ()
    begin_suppress_tokens: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form in a manifest: everything that is not a default."""
        plain = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != plain[name]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Generation:
        """Raises ArtifactError for unknown or unusable settings."""
        unknown = sorted(set(value) - {field.name for field in fields(cls)})
        if unknown:
            raise ArtifactError(
                f"The model's generation settings have '{unknown[0]}', which this edgekit does not "
                "know: pip install --upgrade edgekit"
            )
        try:
            found = cls(**{name: _frozen(part) for name, part in value.items()})
            good = (
                found.num_beams >= 1
                and found.max_length >= 2
                and len(found.eos_token_ids) >= 1
                and found.repetition_penalty > 0
                and found.early_stopping in (True, False, "never")
            )
        except TypeError:
            good = False
        if not good:
            raise ArtifactError(
                "The model's generation settings are damaged or incomplete; build it again."
            )
        return found


def bounded(settings: Generation, text: str, *, tokens: int, words: int) -> Generation:
    """The settings, tightened for a summary of about `words` words of a text of `tokens` tokens."""
    most = math.ceil(words * max(1.0, tokens / max(1, len(text.split()))) * SLACK) + 2
    if most >= settings.max_length:
        return settings
    return replace(settings, max_length=most, min_length=min(settings.min_length, most // 2))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value

"""Whether the installed transformers can build and run what a config.json says. Loads no weight."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

# Also registers the static student, which transformers does not know.
from edgekit.checkpoint import models as _models  # noqa: F401
from edgekit.checkpoint.describe import family_of, read_config
from edgekit.errors import CheckpointError
from edgekit.tables import Family

_LAYER_KEYS = (
    "num_hidden_layers",
    "num_layers",
    "num_decoder_layers",
    "encoder_layers",
    "decoder_layers",
)
_CLASSES: dict[Family, Any] = {
    Family.ENCODER: AutoModelForSequenceClassification,
    Family.DECODER: AutoModelForCausalLM,
    Family.SEQ2SEQ: AutoModelForSeq2SeqLM,
}
_TRIED_TOKENS = 8


def read(folder: Path) -> tuple[PretrainedConfig, Family]:
    """The configuration as a build reads it: without private keys.

    Raises CheckpointError where transformers cannot make a model of it.
    """
    plain = read_config(folder)
    family = family_of(plain, folder)
    with _told(folder, plain), tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "config.json").write_text(json.dumps(plain), encoding="utf-8")
        config = AutoConfig.from_pretrained(scratch, local_files_only=True)
        with torch.device("meta"):
            model(config, family)
    return config, family


def model(config: PretrainedConfig, family: Family) -> PreTrainedModel:
    """A model with weights by chance, in fp32 whatever the checkpoint is stored in."""
    made: PreTrainedModel = _CLASSES[family].from_config(config, dtype=torch.float32)
    return made


def with_layers(config: PretrainedConfig, layers: int) -> PretrainedConfig:
    """The configuration with this many layers, in both halves if there are two."""
    cut = copy.deepcopy(config)
    kinds = getattr(config, "layer_types", None)
    cut.num_hidden_layers = layers
    for name in _LAYER_KEYS:
        if hasattr(cut, name):
            setattr(cut, name, layers)
    if kinds:
        # A checkpoint with fewer layers than are asked for begins again with its first.
        cut.layer_types = [kinds[number % len(kinds)] for number in range(layers)]
    return cut


def try_to_run(folder: Path, config: PretrainedConfig, family: Family) -> None:
    """Runs one layer on a few tokens; raises CheckpointError with transformers' own reason."""
    ids = torch.zeros((1, _TRIED_TOKENS), dtype=torch.long)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if family is Family.SEQ2SEQ:
        inputs["decoder_input_ids"] = ids
    with _told(folder, read_config(folder)), torch.inference_mode():
        model(with_layers(config, 1), family).eval()(**inputs)


@contextmanager
def _told(folder: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Says what transformers does not understand as one sentence."""
    try:
        yield
    except CheckpointError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # transformers raises whatever its modules stumble over
        said = " ".join(str(error).split()) or type(error).__name__
        found = _key_of(config, error.args[0]) if isinstance(error, KeyError) else None
        reason = f"{found} is {error.args[0]!r}, which it does not know" if found else said[:300]
        raise CheckpointError(
            f"{folder / 'config.json'}: transformers {transformers.__version__} cannot run a model "
            f"that is described so ({reason}); mend config.json, or install the transformers that "
            f"saved it ({config.get('transformers_version', 'which it does not name')})."
        ) from error


def _key_of(config: Mapping[str, Any], value: object, place: str = "") -> str | None:
    """The key of config.json, also of an inner one, that has this value."""
    for key, own in config.items():
        if own == value and isinstance(value, str):
            return f"'{place}{key}'"
        if isinstance(own, Mapping) and (found := _key_of(own, value, f"{place}{key}.")):
            return found
    return None

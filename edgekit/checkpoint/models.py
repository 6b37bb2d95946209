"""Loads and saves checkpoints with transformers; the only way between folders and torch models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from edgekit.checkpoint import answers, describe, units, widths
from edgekit.checkpoint.static import StaticConfig, StaticForSequenceClassification
from edgekit.errors import CheckpointError
from edgekit.tables import Family

# So that a static student loads like any other checkpoint.
AutoConfig.register(StaticConfig.model_type, StaticConfig)
AutoModelForSequenceClassification.register(StaticConfig, StaticForSequenceClassification)


def load(folder: Path) -> PreTrainedModel:
    """A decoder in its stored precision, or an encoder with its head; CheckpointError as below."""
    decodes = describe.describe(folder).family is Family.DECODER
    return load_decoder(folder) if decodes else load_classifier(folder)


def load_classifier(
    folder: Path, *, labels: Sequence[str] | None = None, several: bool = False
) -> PreTrainedModel:
    """A checkpoint as a sequence classifier in fp32 on the CPU.

    `labels` gives a new head to an encoder that has none; `several` says that a text may have
    several of them. Raises CheckpointError if weights of the
    body are missing.
    """
    narrow = describe.read_widths(folder, describe.read_config(folder))
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if labels is not None:
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        config.problem_type = answers.problem(several=several)
    config.problem_type = config.problem_type or answers.ONE_LABEL
    model, missing = (
        _load_uniform(folder, AutoModelForSequenceClassification, config)
        if narrow is None
        else _load_narrow(folder, config, narrow)
    )
    body = f"{model.base_model_prefix}."
    lost = [name for name in missing if name.startswith(body) and "pooler" not in name]
    _check_whole(folder, lost)
    model.eval()
    return model


def load_encoder(folder: Path) -> PreTrainedModel:
    """A checkpoint's body, without a head, in fp32 on the CPU; CheckpointError as above."""
    model, missing = _load_uniform(folder, AutoModel)
    _check_whole(folder, [name for name in missing if "pooler" not in name])
    return model.eval()


def _check_whole(folder: Path, lost: Sequence[str]) -> None:
    if lost:
        raise CheckpointError(
            f"{folder}: {len(lost)} weights are missing (first: {lost[0]}); the folder does not "
            "hold the model that its config.json describes."
        )


def load_decoder(
    folder: Path, *, config: PretrainedConfig | None = None, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """A checkpoint that continues texts, on the CPU; in its stored precision unless another is
    asked for."""
    config = config or AutoConfig.from_pretrained(folder, local_files_only=True)
    if getattr(config, "attn_logit_softcapping", None):
        # The other implementations leave out the soft cap on attention's scores.
        config._attn_implementation = "eager"
    model, _ = _load_uniform(folder, AutoModelForCausalLM, config, dtype=dtype or "auto")
    return model.eval()


def load_seq2seq(folder: Path) -> PreTrainedModel:
    """An encoder-decoder's checkpoint, in fp32 on the CPU."""
    model, missing = _load_uniform(folder, AutoModelForSeq2SeqLM)
    _check_whole(folder, missing)
    return model.eval()


def _load_uniform(
    folder: Path,
    loader: Any,
    config: PretrainedConfig | None = None,
    *,
    dtype: torch.dtype | Literal["auto"] = torch.float32,
) -> tuple[PreTrainedModel, list[str]]:
    """The model, and the names of the weights that are missing from the folder; `loader` is one of
    transformers' Auto classes."""
    with _quiet():
        model, notes = loader.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=dtype,
            output_loading_info=True,
        )
    return model, list(notes["missing_keys"])


def _load_narrow(
    folder: Path, config: PretrainedConfig, narrow: widths.Widths
) -> tuple[PreTrainedModel, list[str]]:
    """Like `_load_uniform`, for layers with widths that transformers cannot build itself."""
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    units.resize(model, narrow)
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        weights.update(load_file(path))
    wanted = model.state_dict()
    strange = [n for n, w in weights.items() if n in wanted and w.shape != wanted[n].shape]
    if strange:
        raise CheckpointError(
            f"{folder}: {strange[0]} is of another size than {widths.FILE} and config.json say; "
            "copy the whole folder again."
        )
    return model, list(model.load_state_dict(weights, strict=False).missing_keys)


def save(model: PreTrainedModel, folder: Path, *, source: Path) -> None:
    """Writes weights and config; tokenizer and licences are copied from `source`."""
    _save_weights(model, folder)
    describe.carry(source, folder)


def cut_folder(folder: Path, layers: int) -> None:
    """Keeps the first `layers` layers of a checkpoint, in place."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    description = describe.describe(folder)
    loader = AutoModel if description.labels is None else AutoModelForSequenceClassification
    if description.family is Family.DECODER:
        model = load_decoder(folder, config=config)
    elif (folder / widths.FILE).is_file():
        model = load_classifier(folder)
        units.keep_layers(model, range(layers))
    else:
        model, _ = _load_uniform(folder, loader, config)
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    if description.family is Family.DECODER:
        model.save_pretrained(folder, safe_serialization=True)
    else:
        _save_weights(model, folder)


def _save_weights(model: PreTrainedModel, folder: Path) -> None:
    """Includes the widths of the layers if config.json cannot express them."""
    model.save_pretrained(folder, safe_serialization=True)
    (folder / widths.FILE).unlink(missing_ok=True)
    if (narrow := units.narrow_widths(model)) is not None:
        widths.write(folder, narrow)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences transformers' warning about a new head, which is what was asked for."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)

"""Loads and saves checkpoints with transformers; the only door between folders and torch models."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from edgekit.compress import checkpoint
from edgekit.compress.static import StaticConfig, StaticForSequenceClassification
from edgekit.errors import CheckpointError

# So that a static student loads as any other checkpoint does.
AutoConfig.register(StaticConfig.model_type, StaticConfig)
AutoModelForSequenceClassification.register(StaticConfig, StaticForSequenceClassification)


def load_classifier(folder: Path, *, labels: Sequence[str] | None = None) -> PreTrainedModel:
    """A checkpoint as a sequence classifier in fp32 on the CPU.

    `labels` gives a fresh head to an encoder that has none. Raises CheckpointError where weights of
    the body are missing.
    """
    checkpoint.read_config(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if labels is not None:
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    with _quiet():
        model, notes = AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    body = f"{model.base_model_prefix}."
    lost = [
        name for name in notes["missing_keys"] if name.startswith(body) and "pooler" not in name
    ]
    if lost:
        raise CheckpointError(
            f"{folder}: {len(lost)} weights are missing (first: {lost[0]}); the folder does not "
            "hold the model that its config.json describes."
        )
    model.eval()
    return model


def save(model: PreTrainedModel, folder: Path, *, source: Path) -> None:
    """Writes weights and config; tokenizer and licences are carried over from `source`."""
    model.save_pretrained(folder, safe_serialization=True)
    for path in [
        *checkpoint.licence_files(source),
        *(source / name for name in checkpoint.CARRIED),
    ]:
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


def cut_folder(folder: Path, layers: int) -> None:
    """Keeps the first `layers` layers of a checkpoint, in place."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    config.num_hidden_layers = layers
    has_head = checkpoint.describe(folder).labels is not None
    loader = AutoModelForSequenceClassification if has_head else AutoModel
    with _quiet():
        model = loader.from_pretrained(
            folder, config=config, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    model.save_pretrained(folder, safe_serialization=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers warns on stderr of a fresh head, which is what was asked for."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)

"""Measures how fast this machine trains and runs one layer of a model. Decides nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from edgekit.checkpoint.describe import family_of
from edgekit.job.cost import Rates
from edgekit.system import allocator, devices, machine
from edgekit.system.digest import sha256_file
from edgekit.tables import Family

ROUNDS = 8
# For a decoder: its layers with their gradients may need more memory than a plan may take.
TRAINING_PER_FORWARD = 3.0
# A summary has about one in this many of the text's tokens.
SUMMARY_SHARE = 4


def measure(config: Path, *, layers: int, device: str, shape: tuple[int, int]) -> Rates:
    """Times a model of one and of three layers; a layer costs half of the difference.

    `shape` is the shape of a batch: rows and tokens per row. Only training uses the device.
    """
    before = machine.rss_bytes()
    allocator.give_back(least_bytes=devices.KEPT_BYTES)  # as training does
    one = _time_model(config, layers=1, device=device, shape=shape)
    three = _time_model(config, layers=3, device=device, shape=shape)
    tokens = shape[0] * shape[1]

    def all_layers(name: str) -> float:
        layer = max(1e-9, (three[name] - one[name]) / 2)
        return max(0.0, one[name] - layer) + layers * layer

    return Rates(
        train_seconds_per_token=all_layers("train") / tokens,
        forward_seconds_per_token=all_layers("forward") / tokens,
        write_seconds_per_byte=_time_writing(),
        load_seconds=_time_loading(),
        torch_bytes=before,
    )


def _time_model(
    config: Path, *, layers: int, device: str, shape: tuple[int, int]
) -> dict[str, float]:
    """Least seconds of a forward pass, and of forward, backward and update together."""
    small = AutoConfig.from_pretrained(config.parent, local_files_only=True)
    small.num_hidden_layers = layers
    family = family_of(small.to_dict(), config.parent)
    if family is Family.DECODER:
        return _time_decoder(small, shape)
    model: Any = (
        _small_seq2seq(small, layers) if family is Family.SEQ2SEQ else _small_encoder(small)
    )
    inputs = {"input_ids": torch.randint(2, 1000, shape)}
    if family is Family.SEQ2SEQ:
        inputs["labels"] = inputs["input_ids"][:, : max(1, shape[1] // SUMMARY_SHARE)].contiguous()

    model.eval()

    def forward() -> None:
        with torch.inference_mode():
            model(**inputs)

    seconds = _fastest(forward)
    model.to(device)
    inputs = {name: values.to(device) for name, values in inputs.items()}
    precision = devices.autocast_here(device)
    cast = torch.autocast(device, dtype=precision, enabled=precision is not None)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        with cast:
            logits = model(**inputs).logits
        logits.float().logsumexp(-1).mean().backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    model.train()
    return {"forward": seconds, "train": _fastest(train)}


def _small_encoder(config: PretrainedConfig) -> PreTrainedModel:
    config.vocab_size = max(1000, (config.pad_token_id or 0) + 1)
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    model.get_input_embeddings().weight.requires_grad_(False)
    return model


def _small_seq2seq(config: PretrainedConfig, layers: int) -> PreTrainedModel:
    """A model with this many layers in both halves."""
    config.vocab_size = 1000
    # Special token ids must fit the small vocabulary.
    config.eos_token_id = config.bos_token_id = 1
    for name in ("num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers"):
        if hasattr(config, name):
            setattr(config, name, layers)
    config.pad_token_id = config.decoder_start_token_id = 0
    model: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(config)
    return model


def _time_decoder(config: PretrainedConfig, shape: tuple[int, int]) -> dict[str, float]:
    config.vocab_size, config.pad_token_id = 1000, None
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[: config.num_hidden_layers]
    model = AutoModel.from_config(config).eval()
    ids = torch.randint(2, 1000, shape)

    def forward() -> None:
        with torch.inference_mode():
            model(input_ids=ids, use_cache=False)

    seconds = _fastest(forward)
    return {"forward": seconds, "train": TRAINING_PER_FORWARD * seconds}


def _fastest(work: Callable[[], None]) -> float:
    """Other programs only ever slow it down: the fastest of a few is the machine's own speed."""
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def _time_loading() -> float:
    """Seconds to start a process that can load a model."""
    began = time.perf_counter()
    code = "import torch, transformers.models.bert.modeling_bert"
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def _time_writing() -> float:
    """Seconds per byte to write, sync and hash a file."""
    size = 32 * machine.MIB
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bytes"
        began = time.perf_counter()
        path.write_bytes(b"\x5a" * size)
        machine.sync_file(path)
        sha256_file(path)
        return (time.perf_counter() - began) / size

"""Measures how fast this machine trains and runs one layer of a model. Decides nothing."""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, PretrainedConfig, PreTrainedModel

from edgekit.build.rates import Size
from edgekit.checkpoint import blueprint
from edgekit.job.cost import Rates
from edgekit.system import allocator, devices, machine
from edgekit.system.digest import sha256_file
from edgekit.tables import Family

ROUNDS = 8
# For a decoder: its layers with their gradients may need more memory than a plan may take.
TRAINING_PER_FORWARD = 3.0
# A summary has about one in this many of the text's tokens.
SUMMARY_SHARE = 4
SMALL_VOCABULARY = 1000
# Where no layer can be timed: its matrices take this share of its time. It was 0.6 to 1.0 for
# layers of BERT and Llama; a time that is guessed should rather be too long.
MATRICES_SHARE = 0.7
# A larger table than this is not made only to find out why a toy failed.
MOST_TRIED_BYTES = 1_000_000_000


def measure(folder: Path, size: Size, *, device: str, shape: tuple[int, int]) -> Rates:
    """Times a model of one and of three layers; a layer costs half of the difference.

    `shape` is the shape of a batch: rows and tokens per row. Only training uses the device. Where
    the small model cannot be timed, the rates are estimated and say why: that never stops a recipe.
    Raises CheckpointError where transformers cannot run the checkpoint's model at all.
    """
    before = machine.rss_bytes()
    allocator.give_back(least_bytes=devices.KEPT_BYTES)  # as training does
    config, family = blueprint.read(folder)
    try:
        one, three = (_time_model(config, family, n, device=device, shape=shape) for n in (1, 3))
        guessed = None
    except Exception as error:  # whatever a toy stumbles over
        if 4 * config.vocab_size * getattr(config, "hidden_size", 0) <= MOST_TRIED_BYTES:
            blueprint.try_to_run(folder, config, family)
        one = three = _guess(size)
        guessed = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    tokens = shape[0] * shape[1]

    def all_layers(name: str) -> float:
        if guessed is not None:
            return one[name]
        layer = max(1e-9, (three[name] - one[name]) / 2)
        return (max(0.0, one[name] - layer) + size.layers * layer) / tokens

    return Rates(
        train_seconds_per_token=all_layers("train"),
        forward_seconds_per_token=all_layers("forward"),
        write_seconds_per_byte=_time_writing(),
        load_seconds=_time_loading(),
        torch_bytes=before,
        guessed=guessed,
    )


def _guess(size: Size) -> dict[str, float]:
    """Seconds for a token by the number of parameters, and by how fast matrices are multiplied."""
    tokens, width = 512, 512
    matrix, states = torch.rand(width, 4 * width), torch.rand(tokens, width)
    seconds = _fastest(lambda: torch.mm(states, matrix)) / (tokens * matrix.numel())
    forward = seconds * size.body_parameters / MATRICES_SHARE
    return {"forward": forward, "train": TRAINING_PER_FORWARD * forward}


def _time_model(
    config: PretrainedConfig, family: Family, layers: int, *, device: str, shape: tuple[int, int]
) -> dict[str, float]:
    """Least seconds of a forward pass, and of forward, backward and update together."""
    small = blueprint.with_layers(config, layers)
    if family is Family.DECODER:
        return _time_decoder(small, shape)
    model: Any = _small_seq2seq(small) if family is Family.SEQ2SEQ else _small_encoder(small)
    inputs = {"input_ids": torch.randint(2, SMALL_VOCABULARY, shape)}
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
    config.vocab_size = max(SMALL_VOCABULARY, (config.pad_token_id or 0) + 1)
    model = blueprint.model(config, Family.ENCODER)
    model.get_input_embeddings().weight.requires_grad_(False)
    return model


def _small_seq2seq(config: PretrainedConfig) -> PreTrainedModel:
    config.vocab_size = SMALL_VOCABULARY
    if hasattr(config, "decoder_vocab_size"):
        config.decoder_vocab_size = SMALL_VOCABULARY
    # Special token ids must fit the small vocabulary.
    config.eos_token_id = config.bos_token_id = 1
    config.pad_token_id = config.decoder_start_token_id = 0
    return blueprint.model(config, Family.SEQ2SEQ)


def _time_decoder(config: PretrainedConfig, shape: tuple[int, int]) -> dict[str, float]:
    config = copy.deepcopy(config)
    config.vocab_size, config.pad_token_id = SMALL_VOCABULARY, None
    model = AutoModel.from_config(config, dtype=torch.float32).eval()
    ids = torch.randint(2, SMALL_VOCABULARY, shape)

    def forward() -> None:
        with torch.inference_mode():
            model(input_ids=ids, use_cache=False)

    seconds = _fastest(forward)
    return {"forward": seconds, "train": TRAINING_PER_FORWARD * seconds}


def _fastest(work: Callable[[], object]) -> float:
    """Other programs only ever slow it down: the fastest of a few is the machine's own speed."""
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times[1:])


@cache
def _time_loading() -> float:
    """Seconds to start a process that can load a model."""
    began = time.perf_counter()
    code = "import torch, transformers.models.bert.modeling_bert"
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


@cache
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

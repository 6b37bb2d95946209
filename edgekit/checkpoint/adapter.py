"""Reads the folder of a LoRA adapter: its settings and where its numbers lie. Knows no base.

The form is peft's, tried with 0.17 and 0.21; the mathematics is that of LoRA (Hu et al. 2021),
rsLoRA (Kalajdzievski 2023) and DoRA (Liu et al. 2024).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.checkpoint import tensors, weights
from edgekit.checkpoint.tensors import Tensor
from edgekit.errors import CheckpointError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
# What a key of the weights says about a module, and the field of Update that it goes into.
_PARTS = {
    ".lora_A.weight": "a",
    ".lora_B.weight": "b",
    ".lora_B.bias": "bias",
    ".lora_embedding_A": "a",
    ".lora_embedding_B": "b",
    ".lora_magnitude_vector": "magnitude",
    ".lora_magnitude_vector.weight": "magnitude",
}
_TOKENS = ".token_adapter.trainable_tokens_delta"
# Keys of the settings that are read here, or that matter only while an adapter is trained. Any
# other that is set changes how the numbers are meant.
_UNDERSTOOD = frozenset(
    {
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "bias",
        "ensure_weight_tying",
        "eva_config",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_bias",
        "lora_dropout",
        "megatron_core",
        "modules_to_save",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
        "trainable_token_indices",
        "use_dora",
        "use_rslora",
    }
)
# With others, the base itself is changed when training begins.
_STARTS = (None, True, False, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True, slots=True)
class Update:
    """What an adapter adds to one module's weights: a product of two matrices of low rank."""

    a: Tensor
    b: Tensor
    bias: Tensor | None = None
    magnitude: Tensor | None = None
    """DoRA's norm of each row."""
    table: bool = False
    """It is a table of embeddings, whose columns are the outputs."""
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        outputs, inputs = self.b.shape[0], self.a.shape[1]
        return (inputs, outputs) if self.table else (outputs, inputs)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter as it lies in its folder; modules and weights under the names of its base."""

    folder: Path
    settings: Mapping[str, Any]
    updates: Mapping[str, Update]
    """By the name of the module."""
    replaced: Mapping[str, Tensor]
    """Whole weights that were trained: a head, biases, tables with further rows."""
    tokens: Mapping[str, Tensor]
    """Rows of a table, by the table's name; which rows, the settings say."""

    @property
    def task(self) -> str | None:
        return self.settings.get("task_type")

    @property
    def said_base(self) -> str:
        """The base by its own account, which is a path or name of elsewhere."""
        return str(self.settings.get("base_model_name_or_path") or "a model that it does not name")

    @property
    def saved_modules(self) -> tuple[str, ...]:
        return tuple(self.settings.get("modules_to_save") or ())

    @property
    def has_tokenizer(self) -> bool:
        return (self.folder / "tokenizer.json").is_file()

    def token_rows(self, table: str) -> list[int]:
        """Which rows of a table were trained apart."""
        said = self.settings.get("trainable_token_indices") or []
        if isinstance(said, dict):
            said = next((rows for name, rows in said.items() if table.endswith(name)), [])
        try:
            return [int(row) for row in said]
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder / CONFIG}: 'trainable_token_indices' must be numbers of rows; copy "
                "it again."
            ) from error


def read(folder: Path) -> Adapter:
    """Raises CheckpointError for what is no LoRA adapter, or is more than one."""
    _check_files(folder)
    settings = weights.read_json(folder / CONFIG)
    _check_settings(folder, settings)
    found = _Keys(folder)
    for key, place in weights.read_header(folder / WEIGHTS).items():
        tensor = tensors.of(key, place)
        if not all(np.isfinite(part).all() for part in tensor.rows()):
            raise CheckpointError(
                f"{folder / WEIGHTS}: '{key}' holds numbers that are not finite; train the adapter "
                "anew."
            )
        found.add(key, tensor)
    updates = {name: _update(folder, settings, name, parts) for name, parts in found.parts.items()}
    if not updates:
        raise CheckpointError(
            f"{folder / WEIGHTS}: it holds no LoRA weights (keys like "
            f"'{_PREFIX}….lora_A.weight'); save the adapter again with peft: "
            "model.save_pretrained(folder)."
        )
    return Adapter(folder, settings, updates, found.replaced, found.tokens)


def _check_files(folder: Path) -> None:
    missing = next((name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()), None)
    if missing is None:
        return
    pickled = missing == WEIGHTS and (folder / "adapter_model.bin").is_file()
    raise CheckpointError(
        f"{folder}: {missing} is missing; an adapter is a folder that peft saved with safetensors"
        + (
            ", and adapter_model.bin can run programs: load it where you trust it and save it "
            "again with safe_serialization=True."
            if pickled
            else "."
        )
    )


def _check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    path, kind = folder / CONFIG, settings.get("peft_type")
    if kind != "LORA":
        raise CheckpointError(
            f"{path}: the adapter is of the type {kind}, and only LoRA can be merged into its base "
            "here; train one with peft.LoraConfig, or save the whole model merged."
        )
    start = settings.get("init_lora_weights")
    if start not in _STARTS:
        raise CheckpointError(
            f"{path}: 'init_lora_weights' is {start!r}, which changed the base itself before "
            "training; convert it to a plain adapter with peft: save_pretrained(folder, "
            "path_initial_model_for_weight_conversion=…)."
        )
    strange = [key for key, value in settings.items() if value and key not in _UNDERSTOOD]
    if strange == ["loftq_config"]:
        return  # LoftQ's settings without its start are not used
    if strange:
        raise CheckpointError(
            f"{path}: '{strange[0]}' is set, which edgekit does not know how to merge; merge the "
            "adapter with peft (merge_and_unload) and give the whole checkpoint as model."
        )
    for key in ("r", "lora_alpha"):
        value = settings.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise CheckpointError(f"{path}: '{key}' must be a number above 0; copy it again.")


@dataclass
class _Keys:
    """Sorts the keys of an adapter's file."""

    folder: Path
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    replaced: dict[str, Tensor] = field(default_factory=dict)
    tokens: dict[str, Tensor] = field(default_factory=dict)

    def add(self, key: str, tensor: Tensor) -> None:
        name = key.removeprefix(_PREFIX)
        if name == key:
            raise CheckpointError(
                f"{self.folder / WEIGHTS}: the key '{key}' does not begin with '{_PREFIX}', as "
                "peft writes it; save the adapter with peft: model.save_pretrained(folder)."
            )
        if ".original_module." in name:
            return  # what a trained module replaced
        for end, part in _PARTS.items():
            if name.endswith(end):
                found = self.parts.setdefault(name.removesuffix(end), {})
                found[part] = tensor
                found["table"] = "embedding" in end or found.get("table", False)
                return
        if name.endswith(_TOKENS):
            self.tokens[name.removesuffix(_TOKENS)] = tensor
        elif "lora_" in name:
            raise CheckpointError(
                f"{self.folder / WEIGHTS}: edgekit does not know the key '{key}'; merge the "
                "adapter with peft (merge_and_unload) and give the whole checkpoint as model."
            )
        else:
            self._add_whole(name, tensor)

    def _add_whole(self, name: str, tensor: Tensor) -> None:
        """peft writes some under two names; that without its own words counts."""
        plain = name.replace(".base_layer.", ".").replace(".modules_to_save.", ".")
        if plain == name or plain not in self.replaced:
            self.replaced[plain] = tensor


def _update(
    folder: Path, settings: Mapping[str, Any], module: str, parts: Mapping[str, Any]
) -> Update:
    path = folder / WEIGHTS
    if "a" not in parts or "b" not in parts:
        raise CheckpointError(
            f"{path}: of '{module}' it holds one of lora_A and lora_B only; copy it again."
        )
    if settings.get("use_dora") and ("magnitude" not in parts or parts["table"]):
        raise CheckpointError(
            f"{path}: '{module}' is a table or lacks its lora_magnitude_vector, and DoRA is merged "
            "for matrices only; merge the adapter with peft and give the whole checkpoint."
        )
    rank = int(_by_pattern(folder, settings.get("rank_pattern"), module, settings["r"]))
    shapes = parts["a"].shape, parts["b"].shape
    if any(len(shape) != 2 for shape in shapes) or {shapes[0][0], shapes[1][1]} != {rank}:
        raise CheckpointError(
            f"{path}: lora_A and lora_B of '{module}' have the shapes {shapes[0]} and {shapes[1]}, "
            f"which do not fit the rank {rank} of {CONFIG}; copy both files again."
        )
    alpha = _by_pattern(folder, settings.get("alpha_pattern"), module, settings["lora_alpha"])
    divisor = math.sqrt(rank) if settings.get("use_rslora") else rank
    return Update(**parts, scale=alpha / divisor)


def _by_pattern(
    folder: Path, patterns: Mapping[str, Any] | None, module: str, otherwise: float
) -> float:
    """The first pattern that a module's name matches at a dot decides, as in peft."""
    for pattern, value in (patterns or {}).items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return float(value)
        except (re.error, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder / CONFIG}: {pattern!r} in rank_pattern or alpha_pattern is no pattern "
                "with a number; copy it again."
            ) from error
    return otherwise

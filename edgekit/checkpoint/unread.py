"""Which keys of a config.json no part of the installed transformers reads."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers import GenerationConfig, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from edgekit.checkpoint import form
from edgekit.checkpoint.describe import read_config
from edgekit.errors import CheckpointError

# Read from a config although no class lists them among its own.
_READ = frozenset({"head_dim", "layer_types", "original_max_position_embeddings",
                   "partial_rotary_factor", "tie_word_embeddings", "tokenizer_class",
                   "transformers_version"})  # fmt: skip
# By these names transformers 4 wrote what has another name now, and form.py refuses the rest.
_READ_AS_OLD = frozenset({"global_attn_every_n_layers", "global_rope_theta", "local_rope_theta",
                          "position_embedding_type", "rope_local_base_freq", "rope_scaling",
                          "rope_theta", "sliding_window_pattern", "torch_dtype",
                          "tie_encoder_decoder"})  # fmt: skip


def notes(folder: Path) -> list[str]:
    """A sentence that names the keys; none where every key is read.

    Raises CheckpointError for one with a meaning in a file that a later version of transformers
    wrote than the installed one: nobody knows here what the answers would be with it.
    """
    told = read_config(folder)
    names = keys(told)
    path = folder / "config.json"
    if form.is_newer(told, transformers.__version__):
        for name in names:
            if told[name] not in (None, False):
                raise CheckpointError(
                    f"{path}: {name!r} is {told[name]!r:.100}, which transformers "
                    f"{told['transformers_version']} wrote and the installed "
                    f"{transformers.__version__} does not know, so that its answers could be "
                    "others; install that version, or remove the key if it means nothing."
                )
    if not names:
        return []
    return [f"config.json: transformers reads no {', '.join(map(repr, names))}; nor does edgekit"]


def keys(told: Mapping[str, Any]) -> list[str]:
    kind: Any = CONFIG_MAPPING[told["model_type"]]
    known = {
        *kind().to_dict(),
        *PretrainedConfig().to_dict(),
        *kind.attribute_map,
        *kind.attribute_map.values(),
        *inspect.signature(kind.__init__).parameters,
        *inspect.signature(PretrainedConfig.__init__).parameters,
        *GenerationConfig().to_dict(),
        *_READ,
        *_READ_AS_OLD,
    }
    return sorted(set(told) - known)

"""Describes and copies a Hugging Face folder without running any of its code.

A checkpoint is untrusted. Pickle weights and custom modelling code run programs, and private config
keys have been used to get around `trust_remote_code=False`; so: only safetensors, only known model
types, private keys stripped, and nothing is ever downloaded.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.checkpoint import (
    answers,
    converter,
    form,
    frames,
    licences,
    published,
    unusable,
    weights,
    widths,
)
from edgekit.checkpoint.decoders import DECODERS
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.checkpoint.seq2seq import SEQ2SEQ
from edgekit.errors import CheckpointError
from edgekit.tables import Family
from edgekit.wording.suggestions import did_you_mean

STATIC = "edgekit-static"
"""The model type of a static student (checkpoint/static.py), which transformers does not know."""
TOKENIZER_CONFIG = "tokenizer_config.json"
CARRIED = ("tokenizer.json", TOKENIZER_CONFIG, "special_tokens_map.json")
CARRIED_BY = {
    Family.ENCODER: (),
    Family.DECODER: ("generation_config.json", "chat_template.jinja", "chat_template.json"),
    Family.SEQ2SEQ: ("generation_config.json", frames.TARGET),
}
# The keys of config.json for these numbers; the alternatives are those of older decoders.
_LAYERS = ("num_hidden_layers", "n_layers", "n_layer", "encoder_layers", "num_layers")
_DECODER_LAYERS = ("num_decoder_layers", "decoder_layers")
_HIDDEN = ("hidden_size", "dim", "n_embd", "d_model")
_HEADS = ("num_attention_heads", "n_heads", "n_head", "encoder_attention_heads", "num_heads")
_FFN = ("intermediate_size", "hidden_dim", "n_inner", "ffn_dim", "encoder_ffn_dim", "d_ff")
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")
_TABLES = (
    "embeddings.",
    "embed_tokens.",
    "wte.",
    "wpe.",
    "embed_in.",
    "shared.",
    "embed_positions.",
)
# T5 has no position limit; this is the length that it was trained on.
_T5_TOKENS = 512


_TYPES = {
    Family.ENCODER: frozenset({*ENCODERS, STATIC}),
    Family.DECODER: frozenset(DECODERS),
    Family.SEQ2SEQ: frozenset(SEQ2SEQ),
}


@dataclass(frozen=True, slots=True)
class Description:
    """What a checkpoint's config and the headers of its weights tell."""

    model_type: str
    family: Family
    layers: int
    """Only the encoder's if there is a decoder, too."""
    hidden: int
    heads: int
    """Of the layer with the most, if they differ."""
    ffn: int
    """Width of the feed-forward networks; of the widest, if they differ."""
    vocabulary: int
    parameters: int
    embedding_parameters: int
    """Parameters of the tables that are looked up, not multiplied."""
    max_tokens: int
    labels: tuple[str, ...] | None
    """None for an encoder that has no classification head yet."""
    weights_bytes: int
    several_labels: bool = False
    """Whether a text may have several of the labels, or none."""
    head_parameters: int = 0
    """Parameters of the matrix that predicts tokens, if it is not the embeddings'."""
    decoder_layers: int = 0
    """Of an encoder-decoder; 0 for others."""
    strange_head: str | None = None
    """Why it is not clear what the head in the weights answers; None where that is clear."""
    architecture: str = ""
    """The first of `architectures` in config.json; empty where there is none."""

    @property
    def body_parameters(self) -> int:
        """Parameters of the layers."""
        return self.parameters - self.embedding_parameters - self.head_parameters

    @property
    def head_share(self) -> float:
        """The cost of the layers and the logits of every token, as a multiple of the layers'."""
        return 1 + self.vocabulary * self.hidden / max(1, self.body_parameters)

    @property
    def fp32_bytes(self) -> int:
        return 4 * self.parameters


def describe(folder: Path) -> Description:
    """Reads config.json and weight headers; raises CheckpointError for what cannot be used."""
    config = read_config(folder)
    unusable.check_whole_weights(folder, config)
    if family_of(config, folder) is Family.ENCODER:
        unusable.check_padding(folder, config)
    shapes = {name: place.shape for name, place in weights.places(folder).items()}
    if not ((folder / "tokenizer.json").is_file() or published.is_one(folder, config)):
        raise CheckpointError(
            f"{folder}: tokenizer.json is missing; save the folder's fast tokenizer into it with "
            "transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        )
    size = sum(path.stat().st_size for path in weights.find(folder).files)
    return from_shapes(folder, config, shapes, weights_bytes=size)


def from_shapes(
    folder: Path,
    config: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    weights_bytes: int,
) -> Description:
    """Describes what a folder holds, or what is made of it with this config and these weights."""
    heads, ffn = _widest(folder, config)
    said = answers.read(config, shapes, folder / "config.json")
    return Description(
        model_type=config["model_type"],
        family=family_of(config, folder),
        layers=_number(folder, config, *_LAYERS),
        hidden=_number(folder, config, *_HIDDEN),
        heads=heads,
        ffn=ffn,
        vocabulary=_number(folder, config, "vocab_size"),
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        embedding_parameters=sum(
            math.prod(shape)
            for name, shape in shapes.items()
            if any(table in name for table in _TABLES)
        ),
        max_tokens=_max_tokens(folder, config),
        labels=said.labels,
        weights_bytes=weights_bytes,
        several_labels=said.several,
        head_parameters=math.prod(shapes.get("lm_head.weight", (0,))),
        decoder_layers=_decoder_layers(folder, config),
        strange_head=said.strange_head,
        architecture=answers.architecture(config),
    )


def _decoder_layers(folder: Path, config: Mapping[str, Any]) -> int:
    if family_of(config, folder) is not Family.SEQ2SEQ:
        return 0
    # A T5 that does not say has as many decoder layers as encoder layers.
    return _number(folder, config, *_DECODER_LAYERS, *_LAYERS)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json without private keys; refused if it needs code, an unknown architecture, or what
    only older versions of transformers compute."""
    if folder.suffix == ".gguf":
        raise CheckpointError(
            f"{folder} is a GGUF file, whose weights may be rounded already, and a recipe starts "
            "from the Hugging Face folder that it was made from; name that. To cut pieces out of "
            "the file as it is, there is `edgekit trim`."
        )
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is no folder; `model` names a Hugging Face folder with config.json, "
            "*.safetensors and tokenizer.json."
        )
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder} is an adapter and no checkpoint; write model: {{base: …, adapter: …}} with "
            "the checkpoint that it was trained on as base."
        )
    config = weights.read_json(folder / "config.json")
    if "auto_map" in config:
        raise CheckpointError(
            f"{folder / 'config.json'}: 'auto_map' asks for code that the checkpoint brings along, "
            "and edgekit never runs such code; use a checkpoint of an architecture that "
            "transformers knows itself."
        )
    family_of(config, folder)
    if config.get("use_bidirectional_attention"):
        raise CheckpointError(
            f"{folder / 'config.json'}: this {config['model_type']} reads texts in both directions "
            "('use_bidirectional_attention') to embed them, and edgekit takes the type as a model "
            "that continues texts; to choose sentences take an encoder, such as gte or eurobert."
        )
    public = {key: value for key, value in config.items() if not key.startswith("_")}
    return form.config(public, folder / "config.json")


def family_of(config: Mapping[str, Any], folder: Path) -> Family:
    """The family of a model by its config.json; CheckpointError if it is unknown.

    A decoder of a type that edgekit does not convert itself counts if llama.cpp's converter is at
    hand.
    """
    model_type = config.get("model_type")
    for family, known in _TYPES.items():
        if model_type in known:
            return family
    other = _continues_texts(config)
    if other and converter.at_hand():
        return Family.DECODER
    known_types = sorted(set().union(*_TYPES.values()) - {STATIC})
    raise CheckpointError(
        f"{folder / 'config.json'}: the model type {model_type!r} is not one that edgekit "
        f"can compress.{did_you_mean(str(model_type), known_types)}"
        f"{f' Else {converter.ADVICE}' if other else ''}"
    )


def _continues_texts(config: Mapping[str, Any]) -> bool:
    names = config.get("architectures") or [""]
    return str(names[0]).endswith(("ForCausalLM", "LMHeadModel"))


def carry(source: Path, out: Path) -> None:
    """Copies what belongs to a checkpoint besides config.json and weights."""
    family = family_of(read_config(source), source)
    for name in (*CARRIED, *CARRIED_BY[family]):
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)
    licences.carry(source, out)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _number(folder: Path, config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int) and not isinstance(config[name], bool):
            return int(config[name])
    given = next((name for name in names if name in config), None)
    fault = (
        f"'{given}' is {config[given]!r}, no whole number" if given else f"'{names[0]}' is missing"
    )
    raise CheckpointError(f"{folder / 'config.json'}: {fault}; copy the file again.")


def read_widths(folder: Path, config: Mapping[str, Any]) -> widths.Widths | None:
    """The widths of each layer of a pruned checkpoint; None if config.json says it all."""
    architecture = ENCODERS.get(config["model_type"])
    shared = architecture is not None and architecture.shared
    return widths.read(
        folder,
        layers=1 if shared else _number(folder, config, *_LAYERS),
        heads=_number(folder, config, *_HEADS),
        ffn=_number(folder, config, *_FFN),
    )


def _widest(folder: Path, config: Mapping[str, Any]) -> tuple[int, int]:
    """Heads and neurons of the widest layer."""
    if family_of(config, folder) is not Family.ENCODER:
        # For decoders that do not say it, it is four times the hidden size.
        ffn = next((config[key] for key in _FFN if isinstance(config.get(key), int)), None)
        hidden = _number(folder, config, *_HIDDEN)
        return _number(folder, config, *_HEADS), int(ffn or 4 * hidden)
    found = read_widths(folder, config)
    if found is not None:
        return max(found.heads), max(found.ffn)
    return _number(folder, config, *_HEADS), _number(folder, config, *_FFN)


def _max_tokens(folder: Path, config: Mapping[str, Any]) -> int:
    if config["model_type"] in ("t5", "mt5"):
        positions = int(config.get("n_positions") or _T5_TOKENS)
    else:
        positions = _number(folder, config, *_POSITIONS)
    # RoBERTa counts positions from padding_idx + 1: the rows before are never used.
    unused = 0
    if config["model_type"] in {"roberta", "xlm-roberta", "camembert"}:
        unused = 1 + int(config.get("pad_token_id", 1) or 0)
    elif config["model_type"] == "mpnet":
        unused = 2  # whatever its padding is
    settings = weights.read_json(folder / TOKENIZER_CONFIG)
    return unusable.window(folder, positions - unused, settings)

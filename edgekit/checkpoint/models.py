"""Loads and saves checkpoints with transformers; the only way between folders and torch models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    logging,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from edgekit.checkpoint import answers, describe, keys, units, weights, widths
from edgekit.checkpoint.static import StaticConfig, StaticForSequenceClassification
from edgekit.errors import CheckpointError
from edgekit.tables import Family

Device = Literal["cpu", "meta"]
"""Where a model is loaded: with its weights, or only its shapes."""

# So that a static student loads like any other checkpoint.
AutoConfig.register(StaticConfig.model_type, StaticConfig)
AutoModelForSequenceClassification.register(StaticConfig, StaticForSequenceClassification)


def read_config(folder: Path) -> PretrainedConfig:
    """config.json as transformers reads it, whichever version wrote it; CheckpointError."""
    told = describe.read_config(folder)
    kind = told["model_type"]
    if kind not in CONFIG_MAPPING:
        raise CheckpointError(
            f"{folder / 'config.json'}: the installed transformers {transformers.__version__} does "
            f"not know the model type {kind!r}; take a checkpoint of another type."
        )
    with quiet():
        config: PretrainedConfig = CONFIG_MAPPING[kind].from_dict(told)
    return config


def load(folder: Path) -> PreTrainedModel:
    """A decoder in its stored precision, or an encoder with its head; CheckpointError as below."""
    decodes = describe.describe(folder).family is Family.DECODER
    return load_decoder(folder) if decodes else load_classifier(folder)


def check(folder: Path) -> None:
    """Whether the folder holds exactly the weights that its config.json asks for; reads none.

    Raises CheckpointError.
    """
    description = describe.describe(folder)
    if description.family is Family.SEQ2SEQ:
        keys.check_whole(folder, _load_uniform(folder, AutoModelForSeq2SeqLM, device="meta")[1])
    elif description.family is Family.DECODER:
        keys.check_whole(folder, _load_uniform(folder, AutoModelForCausalLM, device="meta")[1])
    elif description.labels is not None:
        _load_classifier(folder, device="meta")
    else:
        keys.check_body(folder, *_load_uniform(folder, AutoModel, device="meta"))


def classifier_shapes(
    folder: Path, settings: Mapping[str, Any]
) -> tuple[str, dict[str, tuple[int, ...]]]:
    """The class of a classifier with these settings, and its weights' names and shapes; `folder` is
    that of its body. Makes none."""
    config = AutoConfig.for_model(**settings)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    narrow = describe.read_widths(folder, settings)
    if narrow is not None:
        units.resize(model, narrow)
    shapes = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    return type(model).__name__, shapes


def load_classifier(
    folder: Path, *, labels: Sequence[str] | None = None, several: bool = False
) -> PreTrainedModel:
    """A checkpoint as a sequence classifier in fp32 on the CPU.

    `labels` gives a new head to an encoder that has none; `several` says that a text may have
    several of them. Raises CheckpointError if weights are missing, of another shape or of another
    model.
    """
    return _load_classifier(folder, labels=labels, several=several).eval()


def _load_classifier(
    folder: Path,
    *,
    labels: Sequence[str] | None = None,
    several: bool = False,
    device: Device = "cpu",
) -> PreTrainedModel:
    narrow = describe.read_widths(folder, describe.read_config(folder))
    config: Any = read_config(folder)
    if labels is not None:
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        config.problem_type = answers.problem(several=several)
    config.problem_type = config.problem_type or answers.ONE_LABEL
    model, found = (
        _load_uniform(folder, AutoModelForSequenceClassification, config, device=device)
        if narrow is None
        else _load_narrow(folder, config, narrow, device=device)
    )
    keys.check_classifier(folder, model, found, new_head=labels is not None)
    return model


def load_encoder(folder: Path) -> PreTrainedModel:
    """A checkpoint's body, without a head, in fp32 on the CPU; CheckpointError as above."""
    model, found = _load_uniform(folder, AutoModel)
    keys.check_body(folder, model, found)
    return model.eval()


def load_decoder(folder: Path, *, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """A checkpoint that continues texts, on the CPU; in its stored precision unless another is
    asked for. CheckpointError as above."""
    model, found = _load_decoder(folder, dtype=dtype)
    keys.check_whole(folder, found)
    return model.eval()


def _load_decoder(
    folder: Path, *, config: PretrainedConfig | None = None, dtype: torch.dtype | None = None
) -> tuple[PreTrainedModel, keys.Differences]:
    config = config or read_config(folder)
    if getattr(config, "attn_logit_softcapping", None):
        # The other implementations leave out the soft cap on attention's scores.
        config._attn_implementation = "eager"
    return _load_uniform(folder, AutoModelForCausalLM, config, dtype=dtype or "auto")


def load_seq2seq(folder: Path) -> PreTrainedModel:
    """An encoder-decoder's checkpoint, in fp32 on the CPU; CheckpointError as above."""
    model, found = _load_uniform(folder, AutoModelForSeq2SeqLM)
    keys.check_whole(folder, found)
    return model.eval()


def _load_uniform(
    folder: Path,
    loader: Any,
    config: PretrainedConfig | None = None,
    *,
    dtype: torch.dtype | Literal["auto"] = torch.float32,
    device: Device = "cpu",
) -> tuple[PreTrainedModel, keys.Differences]:
    """The model, and in what the folder differs from it; `loader` is one of transformers' Auto
    classes. On the device meta, no weight is read."""
    with quiet():
        model, notes = loader.from_pretrained(
            folder,
            config=config or read_config(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=dtype,
            device_map=None if device == "cpu" else device,
            # Else it fails at the first: here all are collected, and the caller refuses them.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    # With these, a name comes with its two shapes.
    mismatched = [name if isinstance(name, str) else name[0] for name in notes["mismatched_keys"]]
    # It also looks at tensors that lie in a file without being named by the index.
    unexpected = set(notes["unexpected_keys"]) & weights.places(folder).keys()
    return model, keys.Differences(sorted(notes["missing_keys"]), sorted(unexpected), mismatched)


def _load_narrow(
    folder: Path, config: PretrainedConfig, narrow: widths.Widths, *, device: Device
) -> tuple[PreTrainedModel, keys.Differences]:
    """Like `_load_uniform`, for layers with widths that transformers cannot build itself."""
    with torch.device(device):
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    units.resize(model, narrow)
    places = weights.places(folder)
    wanted = model.state_dict()
    strange = [n for n, place in places.items() if n in wanted and place.shape != wanted[n].shape]
    if strange:
        raise CheckpointError(
            f"{folder}: {strange[0]} is of another size than {widths.FILE} and config.json say; "
            "copy the whole folder again."
        )
    if device == "cpu":
        found: dict[str, torch.Tensor] = {}
        for path in weights.find(folder).files:
            found.update({name: one for name, one in load_file(path).items() if name in places})
        model.load_state_dict(found, strict=False)
    missing, unexpected = (sorted(one) for one in (wanted.keys() - places, places.keys() - wanted))
    return model, keys.Differences(missing, unexpected, [])


def untie_head(model: Any) -> None:
    """Gives an encoder-decoder a head of its own, which config.json cannot ask for of all types:
    transformers keeps one that it finds in the weights."""
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.all_tied_weights_keys.pop("lm_head.weight", None)


def save(model: PreTrainedModel, folder: Path, *, source: Path) -> None:
    """Writes weights and config; tokenizer and licences are copied from `source`."""
    _save_weights(model, folder)
    describe.carry(source, folder)


def cut_folder(folder: Path, layers: int) -> None:
    """Keeps the first `layers` layers of a checkpoint, in place."""
    config = read_config(folder)
    keep_first(config, layers)
    description = describe.describe(folder)
    loader = AutoModel if description.labels is None else AutoModelForSequenceClassification
    if description.family is Family.DECODER:
        model, _ = _load_decoder(folder, config=config)
    elif (folder / widths.FILE).is_file():
        model = load_classifier(folder)
        units.keep_layers(model, range(layers))
    else:
        model, _ = _load_uniform(folder, loader, config)
    weights.remove(folder)
    if description.family is Family.DECODER:
        write(model, folder)
    else:
        _save_weights(model, folder)


def keep_first(config: PretrainedConfig, layers: int) -> None:
    """Makes it that of a model with only the first `layers` layers."""
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def write(model: PreTrainedModel, folder: Path) -> None:
    """Weights and config as transformers writes them, and nothing on the screen."""
    with quiet():
        model.save_pretrained(folder)


def _save_weights(model: PreTrainedModel, folder: Path) -> None:
    """Includes the widths of the layers if config.json cannot express them."""
    write(model, folder)
    (folder / widths.FILE).unlink(missing_ok=True)
    if (narrow := units.narrow_widths(model)) is not None:
        widths.write(folder, narrow)


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers' bars, and the warning about a new head, which was asked for."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()

"""The classification head that an adapter brings along, and the names of its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.checkpoint import adapter, weights
from edgekit.checkpoint.adapter import Adapter
from edgekit.checkpoint.merged import Merged
from edgekit.checkpoint.tensors import Tensor
from edgekit.errors import CheckpointError

# The matrix with a row for every label, in all architectures of ENCODERS.
_LAST = ("classifier.weight", "classifier.out_proj.weight", "score.weight")
_SOME = 3


def of(found: Adapter) -> dict[str, Tensor]:
    """The weights that lie outside the encoder, whose name all of an adapter's modules begin with.

    Empty for an adapter of an encoder alone.
    """
    if found.task == "FEATURE_EXTRACTION":
        return {}
    body = next(iter(found.updates)).split(".")[0]
    outside = {n: one for n, one in found.replaced.items() if n.split(".")[0] != body}
    return outside if any(name in _LAST for name in outside) else {}


def settle(
    found: Adapter,
    merged: Mapping[str, Merged],
    config: Mapping[str, Any],
    *,
    base: Path,
    head: Mapping[str, Tensor],
    labels: Sequence[str] | None,
) -> tuple[dict[str, Any], dict[str, Merged]]:
    """config.json and weights of a classifier, if the adapter holds a head; else as they were."""
    if not head:
        _refuse_headless(found, config, labels)
        return dict(config), dict(merged)
    count = next(head[name].shape[0] for name in _LAST if name in head)
    names = _names(found, config, count, labels)
    config = {
        **{key: value for key, value in config.items() if key != "num_labels"},
        "id2label": {str(number): name for number, name in enumerate(names)},
        "label2id": {name: number for number, name in enumerate(names)},
    }
    from edgekit.checkpoint import models  # torch

    architecture, wanted = models.classifier_shapes(base, config)
    final = dict(merged)
    for name, tensor in head.items():
        known = merged[name].base if name in merged else None
        same = known is not None and known.shape == tensor.shape
        final[name] = Merged(name, known if same else None, replaced=tensor)
    missing = [name for name in wanted if name not in final]
    if missing:
        raise CheckpointError(
            f"{found.folder}: neither the adapter nor its base holds {_some(missing)}, which the "
            "classifier needs and training began with by chance; train the adapter again with "
            f"'{missing[0].rpartition('.')[0]}' in modules_to_save, or save the whole model "
            "merged."
        )
    surplus = [name for name in head if name not in wanted]
    strange = surplus or [n for n, shape in wanted.items() if final[n].shape != shape]
    if strange:
        raise CheckpointError(
            f"{found.folder}: the adapter's head does not fit a {architecture} ({_some(strange)}); "
            f"it was trained on another model (by its own account {found.said_base}), give that as "
            "base."
        )
    return {**config, "architectures": [architecture]}, {name: final[name] for name in wanted}


def _refuse_headless(
    found: Adapter, config: Mapping[str, Any], labels: Sequence[str] | None
) -> None:
    architecture = str((config.get("architectures") or [""])[0])
    if found.task == "SEQ_CLS" and not architecture.endswith("ForSequenceClassification"):
        raise CheckpointError(
            f"{found.folder}: the adapter was trained for SEQ_CLS, and neither it nor its base "
            'holds a head; train it again with modules_to_save=["classifier"], or save the whole '
            "model merged."
        )
    if labels is not None:
        raise CheckpointError(
            f"{found.folder}: model.labels names the labels of a head that the adapter brings "
            "along, and it brings none; remove labels."
        )


def _names(
    found: Adapter, config: Mapping[str, Any], count: int, labels: Sequence[str] | None
) -> list[str]:
    """By the recipe, by a config.json beside the adapter, or by the base's; never guessed."""
    if labels is not None:
        if len(labels) != count or len(set(labels)) != count:
            raise CheckpointError(
                f"{found.folder}: its head answers with {count} labels, and model.labels names "
                f"{len(set(labels))}; write as many, each once, in the order of training."
            )
        return list(labels)
    beside = found.folder / "config.json"
    for source in (weights.read_json(beside) if beside.is_file() else {}, config):
        said = source.get("id2label") or {}
        names = [said.get(str(number)) for number in range(count)]
        if len(said) == count == len(set(names)) and None not in names and not _are_empty(names):
            return [str(name) for name in names]
    raise CheckpointError(
        f"{found.folder}: its head answers with {count} labels, and neither {adapter.CONFIG} nor a "
        "config.json names them; write their names into the recipe, in the order of training: "
        "model: {base: …, adapter: …, labels: [first, second, …]}."
    )


def _are_empty(names: Sequence[Any]) -> bool:
    """transformers' own names for labels that nobody named."""
    return all(name == f"LABEL_{number}" for number, name in enumerate(names))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SOME]) + (" …" if len(names) > _SOME else "")

"""Whether a folder holds exactly the weights of the model that is made of it. Loads none.

transformers gives random numbers to what is missing and passes over what it does not expect; both
are errors here, but for what it is known to leave behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import units
from edgekit.errors import CheckpointError

# Buffers of old releases, which are computed today.
_LEFT_BEHIND = re.compile(
    r"(^|\.)(position_ids|version|masked_bias|rotary_emb\.inv_freq|embed_positions\._float_tensor)$"
)
_POOLER = "pooler"


@dataclass(frozen=True, slots=True)
class Differences:
    """What transformers says after loading (its `output_loading_info`)."""

    missing: Sequence[str]
    unexpected: Sequence[str]
    mismatched: Sequence[str]


def check_whole(folder: Path, found: Differences) -> None:
    """For a model that is used as it was saved, head and all; CheckpointError."""
    _refuse_mismatched(folder, found.mismatched)
    _refuse_missing(folder, found.missing)
    _refuse_unexpected(folder, found.unexpected)


def check_body(folder: Path, model: PreTrainedModel, found: Differences) -> None:
    """For an encoder without a head: another task's head is passed over, and so is a pooler, which
    reads the first token only; CheckpointError."""
    own = _is_of(model)
    inside = [name for name in found.unexpected if own or _in_body(name, model)]
    _refuse_mismatched(folder, found.mismatched)
    _refuse_missing(folder, _without_pooler(found.missing))
    _refuse_unexpected(folder, _without_pooler(inside))


def check_classifier(
    folder: Path, model: PreTrainedModel, found: Differences, *, new_head: bool
) -> None:
    """For a classifier; with `new_head`, the head may be new if the folder says that it has none.

    Raises CheckpointError.
    """
    own = _is_of(model)
    if own or not new_head:
        _refuse_mismatched(folder, found.mismatched)
        lost = [name for name in found.missing if not _in_body(name, model)]
        if not (own or lost):
            raise CheckpointError(
                f"{folder}: config.json calls it {model.config.architectures}, whose head is for "
                "another task; train a new one with the step finetune."
            )
        if lost:
            raise CheckpointError(
                f"{folder}: the weights of the head are missing ({_some(lost)}), and without them "
                "its answers would be chance; copy the whole folder again, or, if it never had "
                f"any, set 'architectures' in config.json to [\"{_body_name(model)}\"] and train "
                "a head with the step finetune."
            )
        _refuse_missing(folder, found.missing)
    else:
        _refuse_mismatched(folder, [one for one in found.mismatched if _in_body(one, model)])
        # The pooler of an encoder without a head is as fresh as the head itself.
        body = [name for name in found.missing if _in_body(name, model)]
        _refuse_missing(folder, _without_pooler(body))
    surplus = [name for name in found.unexpected if own or _in_body(name, model)]
    _refuse_unexpected(folder, _without_pooler(surplus))


def _is_of(model: PreTrainedModel) -> bool:
    """Whether config.json calls the checkpoint what it was loaded as."""
    return type(model).__name__ in (model.config.architectures or ())


def _in_body(name: str, model: PreTrainedModel) -> bool:
    """Whether a name is of the encoder; it may lack the prefix that it has under a head."""
    body: nn.Module = units.body(model)
    if body is model:
        prefix = f"{model.base_model_prefix}."
        return name.removeprefix(prefix).split(".")[0] in dict(body.named_children())
    return name.startswith(f"{model.base_model_prefix}.") or name.split(".")[0] in dict(
        body.named_children()
    )


def _body_name(model: PreTrainedModel) -> str:
    return type(units.body(model)).__name__


def _without_pooler(names: Iterable[str]) -> list[str]:
    return [name for name in names if _POOLER not in name.split(".")]


def _refuse_mismatched(folder: Path, names: Sequence[str]) -> None:
    if names:
        raise CheckpointError(
            f"{folder}: {_count(names, 'has', 'have')} another shape than config.json says "
            f"({_some(names)}); weights and config.json are of two saves, copy the whole folder "
            "again."
        )


def _refuse_missing(folder: Path, names: Sequence[str]) -> None:
    if names:
        raise CheckpointError(
            f"{folder}: {_count(names, 'is', 'are')} missing (first: {names[0]}); the folder does "
            "not hold the model that its config.json describes, copy it again as a whole."
        )


def _refuse_unexpected(folder: Path, names: Sequence[str]) -> None:
    kept = [name for name in names if not _LEFT_BEHIND.search(name)]
    if kept:
        raise CheckpointError(
            f"{folder}: {_count(kept, 'has', 'have')} no place in the model that config.json "
            f"describes ({_some(kept)}), and transformers would pass over them; correct "
            "config.json, or save the model without them."
        )


def _count(names: Sequence[str], one: str, more: str) -> str:
    return f"1 weight {one}" if len(names) == 1 else f"{len(names)} weights {more}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")

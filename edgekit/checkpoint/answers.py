"""What config.json and the weights say of a classifier's answer: its labels, and how many a text
has. Reads no file and knows no loader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.artifact.sections import shown_as_is
from edgekit.data.label_sets import BETWEEN
from edgekit.errors import CheckpointError

SEQUENCE = "ForSequenceClassification"
ONE_LABEL, SEVERAL_LABELS = "single_label_classification", "multi_label_classification"
"""Values of `problem_type`: softmax over the labels, or a sigmoid for each."""
REGRESSION = "regression"
# The last matrix of the head of every encoder that edgekit knows: a row for each label.
_HEADS = ("classifier.out_proj.weight", "classifier.weight")


@dataclass(frozen=True, slots=True)
class Said:
    labels: tuple[str, ...] | None
    """None where there is no head that labels texts."""
    several: bool = False
    """Whether a text may have several labels or none, by a sigmoid for each."""
    strange_head: str | None = None
    """Weights of a head that `architectures` does not call one for texts, in words for people."""


def read(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], place: Path) -> Said:
    """From config.json, which is at `place`, and the shapes of all tensors of an encoder.

    Raises CheckpointError for a head whose answers are no labels, or not those of `id2label`.
    """
    head = next((name for name in _HEADS if name in shapes), None)
    if not is_labelling(config):
        return Said(None, strange_head=_strange(config, head, shapes[head][0]) if head else None)
    labels = _names(config, place)
    _check_count(labels, config, shapes[head][0] if head else len(labels), place)
    _check_problem(config, place)
    _check_names(labels, place)
    if config.get("problem_type") == SEVERAL_LABELS:
        _check_written(labels, place)
    return Said(labels, several=config.get("problem_type") == SEVERAL_LABELS)


def is_labelling(config: Mapping[str, Any]) -> bool:
    """Whether `architectures` names a model with a head that labels texts."""
    return architecture(config).endswith(SEQUENCE)


def architecture(config: Mapping[str, Any]) -> str:
    """The first of `architectures`; empty where there is none."""
    names = config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else ""


def _names(config: Mapping[str, Any], place: Path) -> tuple[str, ...]:
    """As transformers reads them: `num_labels` counts where `id2label` is missing, else 2."""
    given = config.get("id2label")
    if given is None:
        count = config.get("num_labels")
        return tuple(f"LABEL_{number}" for number in range(2 if count is None else int(count)))
    try:
        return tuple(str(given[str(index)]) for index in range(len(given)))
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{place}: 'id2label' does not number its labels from 0; mend it."
        ) from (error)


def _check_count(
    labels: tuple[str, ...], config: Mapping[str, Any], rows: int, place: Path
) -> None:
    if len(labels) == rows:
        return
    named = (
        "'id2label' names" if config.get("id2label") is not None else "without 'id2label' it has"
    )
    raise CheckpointError(
        f"{place}: {named} {len(labels)} labels, and the head in the weights gives {rows} scores; "
        "name as many labels as there are scores, in their order."
    )


def _check_problem(config: Mapping[str, Any], place: Path) -> None:
    said = config.get("problem_type")
    known = (None, ONE_LABEL, SEVERAL_LABELS, REGRESSION)
    if said not in known:
        raise CheckpointError(
            f"{place}: 'problem_type' is {said!r}, which transformers does not know either; "
            f"write {ONE_LABEL} or {SEVERAL_LABELS}, as the model was trained."
        )
    if said == REGRESSION:
        raise CheckpointError(
            f"{place}: 'problem_type' is {REGRESSION}, so the model gives numbers and no labels, "
            "and edgekit compresses models that label texts; give one of these."
        )


def _check_names(labels: tuple[str, ...], place: Path) -> None:
    if len(labels) < 2:
        raise CheckpointError(
            f"{place}: the model gives one score and no choice of labels, as rerankers and "
            "regression do, and edgekit compresses models with two labels or more; give one of "
            "these."
        )
    label, count = Counter(labels).most_common(1)[0]
    if count > 1:
        raise CheckpointError(
            f"{place}: 'id2label' names the label '{label}' {count} times, so nobody could tell "
            "these answers apart; give each a name of its own."
        )
    if bad := [number for number, label in enumerate(labels) if not shown_as_is(label)]:
        raise CheckpointError(
            f"{place}: label {bad[0]} of 'id2label' is empty or has control characters, which "
            "cannot be shown as they are; rename it."
        )


def _check_written(labels: tuple[str, ...], place: Path) -> None:
    """Several labels of a row are written with a sign between them."""
    if bad := [label for label in labels if BETWEEN in label]:
        raise CheckpointError(
            f"{place}: the label '{bad[0]}' has the sign '{BETWEEN}', which stands between the "
            "labels of a text; rename it."
        )


def problem(*, several: bool) -> str:
    """The `problem_type` of a new head."""
    return SEVERAL_LABELS if several else ONE_LABEL


def _strange(config: Mapping[str, Any], head: str, rows: int) -> str:
    named = architecture(config)
    said = f"says {named}" if named else "is missing"
    return f"the weights hold a head with {rows} scores ({head}), and 'architectures' {said}"

"""The sections of a recipe: the checkpoint, the data, the device and what must hold. Reads none."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from edgekit import tables
from edgekit.recipe.settings import Bytes, Fraction, Seconds, Settings


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Texts = Annotated[
    list[str],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]
Positive = Annotated[float, Field(gt=0)]


def _metrics() -> list[str]:
    return sorted(set().union(*(tables.task(name).metrics for name in tables.TASKS)))


Metric = Annotated[str, Field(json_schema_extra=lambda schema: schema.update(enum=_metrics()))]


class Checkpoint(Settings):
    """A Hugging Face folder, and the LoRA adapter to merge into it if there is one."""

    base: str
    """Folder of the checkpoint, relative to the recipe."""
    adapter: str | None = None
    """Folder of a LoRA adapter that is merged into the base."""
    labels: list[str] | None = None
    """Labels of the head that the adapter holds, in its order, if no config.json names them."""


class Data(Settings):
    """Files with the columns text, label and (optional) language; relative to the recipe.

    With `text_pair` each row is a pair of texts. Where a text may have several labels or none,
    `labels` replaces the label: a|b, or a list.
    For the task chat no label is needed, and `messages`, a list of {role, content}, may replace the
    text. For summarization `summary` replaces the label.
    """

    train: Texts | None = None
    """Rows that train, or that say which weights matter."""
    unlabeled: Texts | None = None
    """Text files, one text a line; shell patterns allowed."""
    validation: Texts | None = None
    """Rows that choose between candidates."""
    test: Texts | None = None
    """Rows that judge, once."""
    choices: Texts | None = None
    """Questions that judge a chat model: rows with `choices` and the right one in `label`."""
    slices: list[str] = Field(default_factory=list)
    """Further columns (gender, region …) that are judged like languages."""


class Target(Settings):
    """What the artifact must fit."""

    cpu: Literal["x86-64-v2", "x86-64-v3", "x86-64-v4", "arm64"] | None = None
    """The least instruction set of the CPUs that will run it."""
    ram: Bytes | None = None
    """Memory that the loaded artifact may take, such as 2GB."""
    size: Bytes | None = None
    """Size of the artifact's folder, such as 30MB."""
    latency_p95: Seconds | None = None
    """Time in which 95 of 100 test texts must be answered, here, on two threads; such as 20ms."""


class Must(Settings):
    """What must hold on the test set, compared with the teacher.

    Classification and summarization have `metric`, `keep` and `worst_language`; chat has `keep`
    and the others.
    """

    metric: Metric | None = None
    """What is compared: macro_f1 or accuracy for classification (macro_f1 unless given), one of the
    others for summarization (rougeLsum unless given)."""
    keep: Fraction | None = None
    """Share of the teacher's metric that must be shown to be kept; for a chat model, of its
    accuracy on data.choices."""
    worst_language: Fraction | None = None
    """Share that must be shown to be kept in every listed language, and in every value of
    data.slices, with 100 test rows or more."""
    kld: Positive | None = None
    """Mean divergence from the teacher's predictions, in nats a token, at most."""
    top1: Fraction | None = None
    """Share of tokens for which both predict the same token as the likeliest, at least."""
    ppl_ratio: Positive | None = None
    """Perplexity as a multiple of the teacher's, at most."""
    worst_language_kld: Positive | None = None
    """`kld` at most, shown in every listed language, and in every value of data.slices, with 1,000
    test tokens or more."""

    def asks(self) -> bool:
        """Whether anything must hold; `metric` by itself only says how it would be measured."""
        return any(
            getattr(self, key) is not None for key in type(self).model_fields if key != "metric"
        )

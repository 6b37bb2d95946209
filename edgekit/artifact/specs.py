"""What a manifest says of the models of single tasks, beside what it says of all. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from edgekit.artifact.sections import Section
from edgekit.errors import ArtifactError

OTHERS = "others"
"""Stands for all scripts without a threshold of their own."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ChatSpec:
    """What is known of a chat model before it is loaded."""

    template_sha256: str
    """Of the chat template inside the model file; empty if there is none."""
    context: int
    """The context, in tokens, that it was trained with."""
    kv_bytes_per_token: int
    """Most bytes that the KV cache takes for each token, in 16 bits."""
    vocabulary: int
    """How many logits it gives for each token."""


SummaryKind = Literal["extractive", "seq2seq"]
"""How a model summarizes a text: by choosing sentences of it, or by writing new ones."""


@dataclass(frozen=True, slots=True)
class SummarySpec:
    """What is known of a model that summarizes."""

    engine: SummaryKind
    words: int
    """Default length of a summary."""
    generation: Mapping[str, Any]
    """Search settings, from the checkpoint's generation_config.json; empty for an engine that
    writes no new sentences."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The ids of special tokens that name the languages of a text and of its translation."""

    before: tuple[int, ...]
    """Put before the text's."""
    after: tuple[int, ...]
    """Put after them."""
    first: int | None
    """What the translation begins with; None where that is not forced."""


@dataclass(frozen=True, slots=True)
class TranslationSpec:
    """What is known of a model that translates."""

    frames: Mapping[str, Frame]
    """By direction: `en→fr`."""
    generation: Mapping[str, Any]
    """Search settings, from the checkpoint's generation_config.json."""


@dataclass(frozen=True, slots=True)
class ThresholdSpec:
    """When a label is given, where a text may have several; by the sigmoid of its logit."""

    labels: tuple[float, ...]
    """The least score of each label, in the order of the manifest's labels."""
    teacher: tuple[float, ...]
    """The same for the teacher, found on the same rows, for comparisons with it."""
    rows: int
    """Validation rows on which they were found; with 0 each is a half."""


@dataclass(frozen=True, slots=True)
class FamiliarSpec:
    """From when on a text looks like those that were taught; what of them is kept is in a file."""

    least: Mapping[str, float]
    """By script, the least share of a text's sequences of letters that occurred there; `others` is
    for all scripts that are not named."""
    version: int
    """Of what is counted as a sequence."""
    rows: int
    """Validation rows that chose it."""


def chat(section: Section) -> ChatSpec:
    spec = ChatSpec(
        template_sha256=section.raw_text("template_sha256"),
        context=section.integer("context"),
        kv_bytes_per_token=section.integer("kv_bytes_per_token"),
        vocabulary=section.integer("vocabulary"),
    )
    section.finish()
    if spec.template_sha256 and not _SHA256.fullmatch(spec.template_sha256):
        raise ArtifactError(f"{section.place}: template_sha256 is no sha256; build again.")
    return spec


def summary(section: Section) -> SummarySpec:
    engine, words = section.text("engine"), section.integer("words")
    spec = SummarySpec(
        engine=cast("SummaryKind", engine),
        words=words,
        generation=section.mapping("generation"),
    )
    section.finish()
    if engine not in get_args(SummaryKind):
        raise ArtifactError(
            f"{section.place}: this edgekit does not know the engine '{engine}'; "
            "pip install --upgrade edgekit"
        )
    if words < 1:
        raise ArtifactError(f"{section.place}: words must be 1 or more; build the artifact again.")
    return spec


def translation(section: Section) -> TranslationSpec:
    frames = section.section("frames")
    spec = TranslationSpec(
        frames={name: _frame(frames.section(name)) for name in frames.names()},
        generation=section.mapping("generation"),
    )
    section.finish()
    if not spec.frames:
        raise ArtifactError(f"{section.place}: it names no languages; build the artifact again.")
    return spec


def _frame(section: Section) -> Frame:
    spec = Frame(
        before=section.integers("before"),
        after=section.integers("after"),
        first=section.integer("first") if section.given("first") else None,
    )
    section.finish()
    return spec


def thresholds(section: Section) -> ThresholdSpec:
    spec = ThresholdSpec(
        labels=section.shares("labels"),
        teacher=section.shares("teacher"),
        rows=section.integer("rows"),
    )
    section.finish()
    return spec


def familiar(section: Section) -> FamiliarSpec:
    least = section.section("least")
    spec = FamiliarSpec(
        least={name: least.number(name) for name in least.names()},
        version=section.integer("version"),
        rows=section.integer("rows"),
    )
    section.finish()
    if OTHERS not in spec.least or not all(0 <= share <= 1 for share in spec.least.values()):
        raise ArtifactError(
            f"{section.place}: least must have shares between 0 and 1, one of them '{OTHERS}'; "
            "build the artifact again."
        )
    return spec

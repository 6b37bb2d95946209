"""Decides whether an artifact fits in this machine's memory before it is loaded. Opens no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.artifact.specs import ChatSpec
from edgekit.errors import ArtifactError, EdgekitError, OutOfMemoryBudget
from edgekit.runtime.refusals import told
from edgekit.system import machine, room
from edgekit.wording.units import parse_bytes

CONTEXT = 4096
"""Default context in tokens, unless the model was trained with less."""
# Memory of a chat worker: the interpreter and llama.cpp; what a batch of tokens needs while it is
# read, mostly logits and attention scores. Rounded up.
_CHAT_BASE_BYTES = 120 * machine.MIB
BATCH_TOKENS = 128
"""Tokens that a chat model reads in one batch. More take more memory and are hardly faster."""
_SCORE_BYTES = 4
_MOST_HEADS = 32
# 8 bits and a scale for every 32 numbers, instead of 16 bits a number.
_Q8_SHARE = 34 / 64
SMALL_CACHE_BYTES = 256 * machine.MIB
"""The KV cache is kept in 16 bits up to this size, beyond it in 8."""

CacheType = Literal["f16", "q8_0"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an artifact is, and whether this machine has the memory for it now."""

    artifact: Artifact
    available_bytes: int
    """Memory that can be used without swapping."""
    needed_bytes: int
    """What the model needs; for a chat model, with the context that it would be loaded with."""

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest

    @property
    def fits(self) -> bool:
        return self.needed_bytes <= self.available_bytes


def inspect(artifact: Artifact, *, context: int | None = None) -> Inspection:
    return Inspection(
        artifact=artifact,
        available_bytes=machine.available_memory_bytes(),
        needed_bytes=needed_bytes(artifact.manifest, context=context),
    )


def check_memory(artifact: Artifact, *, max_ram: str | None, context: int | None = None) -> None:
    """Raises OutOfMemoryBudget if the model needs more than there is, or than `max_ram`."""
    name = artifact.manifest.name
    needed = needed_bytes(artifact.manifest, context=context)
    smaller = "a smaller context or artifact" if artifact.manifest.model.chat else (
        "a smaller artifact"
    )  # fmt: skip
    budget = _parse(max_ram) if max_ram is not None else None
    if budget is not None and needed > budget:
        raise OutOfMemoryBudget(
            told(
                "memory-not-allowed",
                {
                    "name": name,
                    "needed": _megabytes(needed),
                    "allowed": _megabytes(budget),
                    "smaller": smaller,
                },
            )
        )
    available = machine.available_memory_bytes()
    if needed > available:
        freeing = room.freeing(needed)
        raise OutOfMemoryBudget(
            told(
                "memory-not-free",
                {
                    "name": name,
                    "needed": _megabytes(needed),
                    "free": _megabytes(available),
                    "instead": f"{freeing} or use" if freeing else "use",
                    "smaller": smaller,
                },
            )
        )


def needed_bytes(manifest: Manifest, *, context: int | None = None) -> int:
    """What the manifest says; for a chat model: weights, KV cache and work buffers."""
    chat = manifest.model.chat
    if chat is None:
        return manifest.needs.ram_bytes
    weights = sum(manifest.file(name).size_bytes for name in manifest.model.files)
    return chat_bytes(chat, weights=weights, tokens=context_of(manifest, context))


def chat_bytes(chat: ChatSpec, *, weights: int, tokens: int) -> int:
    """What a worker needs for `weights` bytes of weights and a context of `tokens` tokens."""
    share = 1.0 if _cache_type(chat, tokens) == "f16" else _Q8_SHARE
    conversation = round(tokens * chat.kv_bytes_per_token * share)
    scores = chat.vocabulary + (_MOST_HEADS * tokens if share == 1 else 0)
    batch = min(tokens, BATCH_TOKENS) * scores * _SCORE_BYTES
    return _CHAT_BASE_BYTES + weights + conversation + batch


def context_of(manifest: Manifest, asked: int | None) -> int:
    """The context that a chat model will have, in tokens; raises EdgekitError for more than it was
    trained with.
    """
    trained = manifest.model.max_tokens
    if asked is None:
        return min(CONTEXT, trained)
    if not 16 <= asked <= trained:
        raise EdgekitError(
            f"The model '{manifest.name}' can have a context of 16 to {trained:,} tokens, not "
            f"{asked:,}; ask for one of these."
        )
    return asked


def cache_type(manifest: Manifest, context: int) -> CacheType:
    """The type of a chat model's KV cache: 8 bits where 16 would take too much memory.

    That needs heads whose width is a multiple of 32.
    """
    return _cache_type(_chat(manifest), context)


def _cache_type(chat: ChatSpec, context: int) -> CacheType:
    whole = context * chat.kv_bytes_per_token
    return "f16" if whole <= SMALL_CACHE_BYTES else "q8_0"


def _chat(manifest: Manifest) -> ChatSpec:
    if manifest.model.chat is None:
        raise ArtifactError(f"The model '{manifest.name}' does not chat; build it with task: chat.")
    return manifest.model.chat


def _parse(size: str) -> int:
    try:
        return parse_bytes(size)
    except ValueError as error:
        raise EdgekitError(f"max_ram: {error}") from error


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"

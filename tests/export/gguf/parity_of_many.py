"""A child process that compares several GGUF files with their checkpoints: torch loads but once.

It also measures how much the runtime remembers of every token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llama_cpp

from edgekit.export.gguf import parity
from edgekit.runtime.gguf import native
from edgekit.system.serving import Verb

CONTEXT = 8192
"""Tokens: enough that sizes in hundredths of a MiB say what one takes."""


def compare(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers by name for names, each with a checkpoint, a model and texts."""
    return {
        name: parity.compare(Path(checkpoint), Path(model), texts=texts, threads=1)
        | {"remembered": remembered_bytes(Path(model))}
        for name, (checkpoint, model, texts) in request["pairs"].items()
    }


def remembered_bytes(model: Path) -> float:
    """Of a token, by what llama.cpp says when it makes room for a conversation."""
    said: list[str] = []

    @llama_cpp.llama_log_callback
    def note(level: int, text: bytes, _: object) -> None:
        said.append(text.decode("utf-8", "replace"))

    def hear() -> list[str]:
        llama_cpp.llama_log_set(note, None)
        return said

    native._hear = hear
    native.Llama(model, native.Opening(context=CONTEXT, threads=1)).close()
    llama_cpp.llama_log_set(llama_cpp.llama_log_callback(0), None)
    sizes = re.findall(r"llama_kv_cache: size = +([0-9.]+) MiB", "".join(said))
    return sum(map(float, sizes)) * 2**20 / CONTEXT


VERBS: Mapping[str, Verb] = {"compare": compare}

"""Says in a GGUF's header which model it is: name, size, licence, languages and what it comes from.

The keys are those of ggml's GGUF specification (docs/gguf.md, "General metadata").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf

from edgekit.checkpoint import licences

_PHI3 = ("phi-3", "phi3")
"""Where the name has one of these, llama.cpp drops spaces after special tokens."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a checkpoint is called and where it comes from."""

    name: str
    """The model that it was made from, as its card names it; empty if it names none."""
    licence: str
    languages: tuple[str, ...]
    parameters: int

    def add_to(self, writer: gguf.GGUFWriter, *, tried: str) -> None:
        """`tried` is the name under which llama.cpp was seen to read texts rightly."""
        organization, _, name = self.name.rpartition("/")
        own = name or tried
        writer.add_name(own if _is_phi3(own) == _is_phi3(tried) else tried)
        writer.add_size_label(gguf.size_label(self.parameters, self.parameters, 0, 0))
        if self.licence != licences.UNKNOWN:
            writer.add_license(self.licence)
        if name:
            writer.add_base_model_count(1)
            writer.add_base_model_name(0, name)
        if organization:
            writer.add_base_model_organization(0, organization)
        if self.languages:
            writer.add_languages(self.languages)


def read(checkpoint: Path, *, languages: Sequence[str], parameters: int) -> Origin:
    found = licences.origin(checkpoint)
    # Without a card it is called as its folder, which says nothing in a store of steps.
    name = "" if found.name == checkpoint.name else found.name
    return Origin(name, found.licence, tuple(languages), parameters)


def _is_phi3(name: str) -> bool:
    return any(known in name.lower() for known in _PHI3)

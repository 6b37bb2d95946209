"""Whether memory is what is missing, and whether closing other programs can free it."""

from __future__ import annotations

import re

from edgekit.system import machine

OUT_OF_MEMORY = re.compile(
    r"MemoryError|bad_alloc|out of memory|out_of_memory|memory (?:runs|ran) out|not enough memory"
    r"|(?:cannot|could ?n.t|can.t|failed to|unable to) (?:be )?allocate",
    re.IGNORECASE,
)
"""What libraries and systems say where the memory ran out; 'allocated' alone says nothing."""


def freeing(needed_bytes: int) -> str | None:
    """The advice to close other programs; None where the machine has too little in all."""
    return "close other programs" if needed_bytes <= machine.total_memory_bytes() else None

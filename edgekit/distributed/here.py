"""Parts, one after the other in this process. Knows no cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgekit.distributed import parts
from edgekit.distributed.handle import Handle
from edgekit.distributed.parts import Done, Part


def each(
    handle: Handle, todo: Sequence[Part], *, workers: int, address: str | None
) -> Iterator[tuple[Part, Done]]:
    for part in todo:
        yield part, parts.do(handle, part)

"""Judging an artifact once more: what takes long is kept in the step store. Knows no task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.store.store import Finished, Store

if TYPE_CHECKING:
    from edgekit.job.job import Make, RunStored

OnPart = Callable[[str, float], None]
"""Called with what is being done, and the fraction of it that is done."""


def run_stored(store: Store, on_part: OnPart) -> RunStored:
    """Through the store, in entries that builds do not share."""

    def run(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        def work(out: Path) -> Mapping[str, Any]:
            return make(out, lambda fraction: on_part(name, fraction))

        return store.run(f"evaluate-{name}", inputs, work)

    return run

"""`edgekit store`: shows or clears the store of finished steps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from edgekit.cli.output import print_json, print_table
from edgekit.store.store import Entry, Store
from edgekit.system import paths
from edgekit.wording.units import human_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="remove all that no live build uses")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(settings: argparse.Namespace) -> int:
    with Store(paths.store_dir()) as store:
        removed = store.clear() if settings.clear else []
        entries = store.entries()[::-1]
    if settings.json:
        print_json(_described(store, entries, removed if settings.clear else None))
        return 0
    if settings.clear:
        freed = human_bytes(_total(removed))
        print(f"removed {len(removed)} of {len(removed) + len(entries)} entries, {freed}")
    if entries:
        print_table("", ("step", "size", "last used (UTC)", "in use", "key"), map(_row, entries))
    print(
        f"{human_bytes(_total(entries))} of at most {human_bytes(store.budget_bytes)} "
        f"in {store.folder}"
    )
    return 0


def _described(
    store: Store, entries: Sequence[Entry], removed: Sequence[Entry] | None
) -> dict[str, object]:
    described: dict[str, object] = {
        "folder": str(store.folder),
        "budget_bytes": store.budget_bytes,
        "total_bytes": _total(entries),
        "entries": [
            {
                "name": entry.name,
                "key": entry.key,
                "size_bytes": entry.size_bytes,
                "last_used": f"{_when(entry):%Y-%m-%dT%H:%M:%SZ}",
                "finished": entry.finished,
                "in_use": entry.in_use,
            }
            for entry in entries
        ],
    }
    if removed is not None:
        described["removed"] = len(removed)
        described["removed_bytes"] = _total(removed)
    return described


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.name or "(not finished)",
        human_bytes(entry.size_bytes),
        f"{_when(entry):%Y-%m-%d %H:%M}",
        "yes" if entry.in_use else "",
        entry.key[:12],
    )


def _total(entries: Sequence[Entry]) -> int:
    return sum(entry.size_bytes for entry in entries)


def _when(entry: Entry) -> datetime:
    return datetime.fromtimestamp(entry.used, UTC)

"""The rows of a sample in several languages: one JSONL file for each set. Knows no sample."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

Sets = Mapping[str, Sequence[Mapping[str, str]]]
"""By its name, the records of each set."""


def write(target: Path, sets: Sets) -> None:
    """Makes the folder `target`."""
    target.mkdir(parents=True)
    for name, records in sets.items():
        with (target / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
            for record in records:
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def sizes(sets: Sets, *, language: str, what: str) -> str:
    """A line for each file: how many records it has, and of these by the column `language`."""

    def line(name: str, records: Sequence[Mapping[str, str]]) -> str:
        counts = Counter(record[language] for record in records)
        listed = ", ".join(f"{one} {counts[one]}" for one in sorted(counts))
        return f"- `{name}.jsonl`: {len(records)} {what} ({listed})"

    return "\n".join(line(name, records) for name, records in sets.items())

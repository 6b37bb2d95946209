"""How wide each layer of a pruned checkpoint is, where config.json cannot express it. No torch.

`widths.json` lies beside config.json, which has one number of heads and one feed-forward width for
all layers, and derives the size of a head from the number of heads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import CheckpointError

FILE = "widths.json"
FORMAT_VERSION = 1
_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Widths:
    """The heads and feed-forward neurons of each layer."""

    heads: tuple[int, ...]
    ffn: tuple[int, ...]


def read(folder: Path, *, layers: int, heads: int, ffn: int) -> Widths | None:
    """None if the folder has no such file. `layers`, `heads` and `ffn` are those of config.json.

    Raises CheckpointError if the file is not one that edgekit wrote for such a config.json.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return _parse(path, layers=layers, heads=heads, ffn=ffn)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {error}; copy the whole folder again.") from error


def write(folder: Path, widths: Widths) -> None:
    text = json.dumps({"format_version": FORMAT_VERSION, **asdict(widths)}, indent=2)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def _parse(path: Path, *, layers: int, heads: int, ffn: int) -> Widths:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or set(value) != {"format_version", "heads", "ffn"}:
        raise ValueError("it must hold format_version, heads and ffn, and nothing else")
    if value["format_version"] != FORMAT_VERSION:
        raise ValueError(f"its format_version is not {FORMAT_VERSION}")
    return Widths(
        _numbers(value, "heads", count=layers, most=heads),
        _numbers(value, "ffn", count=layers, most=ffn),
    )


def _numbers(value: Mapping[str, Any], name: str, *, count: int, most: int) -> tuple[int, ...]:
    found = value[name]
    if not isinstance(found, list) or len(found) != count:
        raise ValueError(f"'{name}' must list {count} numbers, one for each layer")
    for number in found:
        # In Python, True is an int as well.
        if type(number) is not int or not 1 <= number <= most:
            raise ValueError(f"'{name}' holds {number!r}, where config.json allows 1 to {most}")
    return tuple(found)

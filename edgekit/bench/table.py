"""How a bench's results are shown to people. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.wording.units import human_bytes

NAMES = {
    "artifact": "artifact",
    "ort_fp32": "teacher in ONNX",
    "torch_fp32": "teacher in torch",
    "optimum_int8": "optimum's int8",
    "teacher": "teacher",
    "raw": "raw",
}
Columns = Mapping[str, Callable[[Mapping[str, Any]], str]]
"""The content of each column, from one side's numbers."""
MEMORY_AND_WEIGHTS: Columns = {
    "memory": lambda one: human_bytes(one["peak_rss_bytes"]),
    "weights": lambda one: human_bytes(one["size_bytes"]),
}


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def of_sides(title: str, columns: Columns, result: Mapping[str, Any]) -> Table:
    """A row for each side that the result has."""
    rows = [
        (name, *(cell(result[side]) for cell in columns.values()))
        for side, name in NAMES.items()
        if side in result
    ]
    return Table(title, ("", *columns), rows)


def beside_teacher(result: Mapping[str, Any]) -> Iterator[str]:
    """How much smaller and faster than the teacher in PyTorch; nothing where there was none."""
    if "ratio" in result:
        yield (
            f"\nThe artifact is {result['ratio']['size']:.1f} times smaller than the teacher and "
            f"{result['ratio']['torch_fp32']:.1f} times as fast as it in PyTorch "
            f"({result['ratio_cpu']['torch_fp32']:.1f} times by CPU time)."
        )


def of_texts(columns: Columns, result: Mapping[str, Any]) -> Table:
    """For texts that were answered one at a time (measure.py)."""
    lengths = result["lengths"]
    title = (
        f"{lengths['texts']} texts of {lengths['mean']:.0f} tokens, one at a time with "
        f"{result['threads']} threads, {result['rounds']} rounds in turns"
    )
    return of_sides(title, {**columns, **MEMORY_AND_WEIGHTS}, result)

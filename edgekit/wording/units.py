"""Sizes and durations as people write and read them: `1.5GB` and `20ms`, bytes and seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

# Powers of 1000, as disks and file managers count, unless the unit says otherwise.
_BYTES: dict[str, int | Decimal] = {
    "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_SECONDS: dict[str, int | Decimal] = {
    "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "ms": Decimal("1e-3"),
    "s": 1, "min": 60, "h": 3600, "d": 86400,
}  # fmt: skip
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([a-zµ]+)", re.ASCII | re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """`30MB` -> 30000000, `1.5 GiB` -> 1610612736; upper and lower case are the same.

    Raises ValueError, with a sentence, for anything else, even a bare number: nobody who writes
    "30" means 30 bytes.
    """
    count = _parse(text, _BYTES, "a size such as 30MB, 1.5GB or 512MiB")
    return int(count.to_integral_value(rounding=ROUND_HALF_UP))


def parse_seconds(text: str) -> float:
    """`20ms` -> 0.02, `1.5min` -> 90.0; raises ValueError, with a sentence, for anything else."""
    return float(_parse(text, _SECONDS, "a duration such as 20ms, 1.5s, 10min or 2h"))


def human_bytes(count: float) -> str:
    """1234567 -> '1.2 MB' (powers of 1000, as disks and file managers count)."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def human_seconds(seconds: float) -> str:
    """75 -> '1 min 15 s'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _parse(text: str, units: Mapping[str, int | Decimal], wanted: str) -> Decimal:
    match = _QUANTITY.fullmatch(text.strip().replace("μ", "µ"))  # both of Unicode's micro signs
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"'{text}' is not {wanted}.")
    return Decimal(match[1]) * factor


def or_dash(value: float | None, form: str) -> str:
    """A number as `format` writes it; a dash if it is unknown."""
    return "–" if value is None else format(value, form)

"""What the checks found, as one table. Knows no device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_COLUMNS = ("check", "what", "CPU", "device", "may differ by", "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One number of both sides; without numbers, why there are none."""

    what: str
    cpu: float | None = None
    device: float | None = None
    most: float | None = None
    """The largest difference that is no fault; None where the numbers are only told."""
    told: str = ""
    """Why the check was skipped or failed."""

    @property
    def verdict(self) -> str:
        if self.cpu is None or self.device is None:
            return self.told
        if self.most is None:
            return "told"
        # `not <=`: a difference that is no number is a fault.
        return "ok" if abs(self.device - self.cpu) <= self.most else "DIFFERS"

    @property
    def failed(self) -> bool:
        return self.verdict == "DIFFERS" or self.told.startswith("FAILED")

    def as_row(self, check: str) -> tuple[str, ...]:
        most = "" if self.most is None else f"{self.most:g}"
        return (check, self.what, _number(self.cpu), _number(self.device), most, self.verdict)


def skipped(why: str) -> list[Finding]:
    return [Finding("", told=f"skipped: {why}")]


def failed(why: str) -> list[Finding]:
    return [Finding("", told=f"FAILED: {why}")]


def table(found: Sequence[tuple[str, Sequence[Finding]]]) -> str:
    """A Markdown table of all checks, in order."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS)]
    rows += [one.as_row(name) for name, findings in found for one in findings]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"

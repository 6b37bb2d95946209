"""Where rules stand, as Prometheus reads it. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.watching.rules import Reading

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_METRICS = (
    ("edgekit_watch_value", "what a rule compares: a share, a number, or a distance"),
    ("edgekit_watch_rows", "rows in a rule's window"),
    ("edgekit_watch_alarm", "1 while a rule gives an alarm"),
)


def exposition(readings: Iterable[Reading]) -> str:
    """Gauges in Prometheus' text format; labels are the rule and the language or source."""
    found = list(readings)
    lines = []
    for name, meaning in _METRICS:
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
        kind = name.rpartition("_")[2]
        lines += [f"{name}{{{_labels(one)}}} {float(getattr(one, kind)):g}" for one in found]
    return "\n".join([*lines, ""])


def _labels(reading: Reading) -> str:
    labels = {"rule": reading.rule}
    if reading.by is not None:
        labels[reading.by] = reading.group or ""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())

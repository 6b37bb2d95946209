"""Names for columns that are added to somebody's own. Knows no file and no meaning."""

from __future__ import annotations

from collections.abc import Collection

from edgekit.data.refusals import told
from edgekit.errors import DataError


def free_name(name: str, taken: Collection[str], place: str) -> str:
    """`name`, or `edgekit_name` where there is such a column already; DataError where both are."""
    if name not in taken:
        return name
    other = f"edgekit_{name}"
    if other in taken:
        raise DataError(told("columns-taken", {"place": place, "first": name, "second": other}))
    return other

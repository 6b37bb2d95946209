"""How often an artifact gave each label when it was judged, as its manifest says. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.artifact.manifest import Manifest
from edgekit.tasks.quality import number, parts


def expected_labels(manifest: Manifest) -> Mapping[str, int] | None:
    """None where the manifest does not say it, or where a text may have several labels."""
    if manifest.model.thresholds is not None:
        return None
    found = parts(manifest.quality, "artifact", "by_label")
    counts = {label: int(number(one, "predicted") or 0) for label, one in found.items()}
    return {**dict.fromkeys(manifest.labels, 0), **counts} if sum(counts.values()) else None

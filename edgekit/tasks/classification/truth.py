"""The right answers of rows, in the numbering of a model's labels. Knows no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.runtime.scoring import Given
from edgekit.tasks.classification.answer import label_indexes


def right_answers(rows: Sequence[Row], labels: Sequence[str], *, several: bool) -> Given:
    """Indexes of labels, or bool of shape (rows, labels) where a text may have several.

    Raises DataError for labels that the model does not know, and for rows of the other kind.
    """
    if any((row.labels is not None) is not several for row in rows):
        wanted, found = ("labels", "label") if several else ("label", "labels")
        has = "several labels or none" if several else "one label"
        raise DataError(
            f"The model gives a text {has}, and the rows have the column '{found}'; write "
            f"'{wanted}'."
        )
    if not several:
        return label_indexes([str(row.label) for row in rows], labels)
    found_labels = [label for row in rows for label in row.labels or ()]
    owners = [number for number, row in enumerate(rows) for _ in row.labels or ()]
    truth = np.zeros((len(rows), len(labels)), dtype=bool)
    truth[owners, label_indexes(found_labels, labels)] = True
    return truth

"""Rounds columns of weights by GPTQ (Frantar et al. 2022, arXiv 2210.17323). Knows no grid.

Columns are rounded one after another, and the effect on the products is compensated by the columns
still to come, as far as the covariance of the inputs allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

DAMPING = 0.01
"""Added to the variances, as a share of their mean: no combination of inputs is mistaken for one
that never occurs, however few texts were read."""
STEP = 32
"""Columns rounded before later ones are updated."""

Nearest = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""The codes and the values of one column, of shape (rows,) each. It is given columns as they are by
then, of shape (columns, rows), and the column's place among them."""


def held_together(columns: Iterable[tuple[str, int]], most_bytes: int) -> Iterator[list[str]]:
    """Neighbours whose covariances may be held at once, by their names; one that takes more than
    that is alone. `columns` says how many each has."""
    group: list[str] = []
    taken = 0
    for name, count in columns:
        size = 4 * count**2
        if group and taken + size > most_bytes:
            yield group
            group, taken = [], 0
        group.append(name)
        taken += size
    if group:
        yield group


def factor(covariance: np.ndarray) -> np.ndarray | None:
    """Upper U of the inverse UᵀU of a damped covariance, float32 of shape (columns, columns); None
    where all inputs are zero."""
    columns = len(covariance)
    damped = covariance.astype(np.float64)
    mean = float(np.trace(damped)) / columns
    if mean <= 0:
        return None
    damped[np.diag_indices(columns)] += DAMPING * mean
    return np.ascontiguousarray(np.linalg.cholesky(np.linalg.inv(damped)).T, dtype=np.float32)


def costs(upper: np.ndarray) -> np.ndarray:
    """What an error in each column costs where the later ones compensate for it."""
    return np.asarray(1 / np.square(np.diag(upper)))


def round_columns(left: np.ndarray, upper: np.ndarray, first: int, nearest: Nearest) -> np.ndarray:
    """Codes of the STEP columns from `first` on, or of those that are left, (rows, columns).

    Changes the later columns of `left`, of shape (rows, columns) like the matrix.
    """
    end = min(first + STEP, left.shape[1])
    columns = np.ascontiguousarray(left[:, first:end].T)
    codes, errors = [], np.empty_like(columns)
    for number, column in enumerate(range(first, end)):
        code, found = nearest(columns, number)
        codes.append(code)
        errors[number] = (columns[number] - found) / upper[column, column]
        columns[number + 1 :] -= np.outer(upper[column, column + 1 : end], errors[number])
    left[:, end:] -= errors.T @ upper[first:end, end:]
    return np.stack(codes, axis=1)

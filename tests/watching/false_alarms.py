"""How often the test of drift is wrong, and how soon right: python -m tests.watching.false_alarms.

Many streams side by side in numpy, by the formula of edgekit/watching/drift.py, which
test_drift.py compares with it. Prints the table of docs/watching.md.
"""

from __future__ import annotations

import numpy as np

from edgekit.watching.drift import PRIOR

WINDOWS, ROWS = 20_000, 1_000
MIXES = {
    "3 equal labels": np.full(3, 1 / 3),
    "18 labels, 30 % to 1 %": np.geomspace(30, 1, 18) / np.geomspace(30, 1, 18).sum(),
    "2 labels, 97 % and 3 %": np.array([0.97, 0.03]),
}


def fired_at(
    true: np.ndarray,
    expected: np.ndarray,
    *,
    counted_on: float = 1e12,
    false_alarms: float,
    distance: float,
    seed: int,
) -> np.ndarray:
    """The row of each window at which one run fires, 0 where it does not; int64 of shape
    (windows,). `true` and `expected` have shape (labels,) or (windows, labels)."""
    generator = np.random.default_rng(seed)
    true = np.broadcast_to(true, (WINDOWS, true.shape[-1]))
    expected = np.broadcast_to(expected, true.shape)
    bounds = true.cumsum(axis=1)
    counts, log_ratio = np.zeros(true.shape), np.zeros(WINDOWS)
    fired, every = np.zeros(WINDOWS, np.int64), np.arange(WINDOWS)
    for row in range(ROWS):
        drawn = (generator.random((WINDOWS, 1)) > bounds).sum(axis=1).clip(max=true.shape[1] - 1)
        share, before = expected[every, drawn], counts[every, drawn]
        changed = (PRIOR * share + before) / (PRIOR + row)
        log_ratio += np.log(changed * (counted_on + row) / (counted_on * share + before))
        counts[every, drawn] += 1
        fires = log_ratio >= np.log(2 / false_alarms)
        if distance and fires.any():
            fires &= 0.5 * np.abs(counts / (row + 1) - expected).sum(axis=1) >= distance
        fired[fires & (fired == 0)] = row + 1
    return fired


def estimated(true: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """The mix that as many judged rows would say, another for each window."""
    counts = np.random.default_rng(seed).multinomial(rows, true, size=WINDOWS) + 0.5
    return counts / counts.sum(axis=1, keepdims=True)


def main() -> None:
    print("| mix | expected | distance | windows with a false alarm, of 1 % allowed |")
    print("| --- | --- | --- | --- |")
    for name, true in MIXES.items():
        for rows in (0, 1000, 300):
            expected = estimated(true, rows, 9) if rows else true
            for distance in (0.0, 0.1):
                # A window of a stream has one run whole and two halves of others.
                found = fired_at(
                    true, expected, counted_on=rows or 1e12, false_alarms=0.01, distance=distance,
                    seed=1,
                )  # fmt: skip
                known = f"counted on {rows:,} rows" if rows else "the true one"
                print(f"| {name} | {known} | {distance} | {2 * (found > 0).mean():.2%} |")
    print("\n| change | windows that see it | rows until then, median and 90 % |")
    print("| --- | --- | --- |")
    true = MIXES["18 labels, 30 % to 1 %"]
    expected = estimated(true, 1000, 9)
    for moved in (0.1, 0.15, 0.2, 0.3):
        changed = true * (1 - moved / (1 - true[-1]))
        changed[-1] = true[-1] + moved
        found = fired_at(
            changed, expected, counted_on=1000, false_alarms=0.001, distance=0.1, seed=2
        )
        seen = found[found > 0]
        print(f"| {moved:.0%} of the rows | {(found > 0).mean():.1%} | "
              f"{np.median(seen):.0f}, {np.quantile(seen, 0.9):.0f} |")  # fmt: skip


if __name__ == "__main__":
    main()

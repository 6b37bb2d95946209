"""Judges predictions of test texts, alone or against those of the parent. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.data.rows import Row
from edgekit.export.gguf.divergence import Measure, Tokenwise
from edgekit.tasks.chat.proof.distance import Bounds, bounds
from edgekit.tasks.chat.proof.verdict import MIN_LANGUAGE_TOKENS, ChatFinding, ChatMust, decide
from edgekit.tasks.classification.proof.quality import group_numbers, listed_rows, split

__all__ = ["ChatMust", "judge", "measure"]


def judge(
    rows: Sequence[Row],
    tokens: Tokenwise,
    row_of: np.ndarray,
    *,
    languages: Sequence[str] = (),
    must: ChatMust | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """What `evaluate --json` prints about a language model compared with its parent.

    `row_of` has the index of each token's row. Everything but `other_languages` is about rows in
    `languages` (all rows if none are given) and rows that name no language. Raises DataError if no
    row is left to judge.
    """
    places = _Places(rows, row_of, languages)
    judged = tokens.part(places.judged)
    groups = group_numbers(rows)[row_of][places.judged]
    by_language = {
        name: {"rows": places.rows(part), **tokens.part(part).measures()}
        for name, part in places.by_language.items()
    }
    found = bounds(judged, groups, seed=seed)
    worst = _worst(by_language)
    judgement = decide(
        must or ChatMust(),
        ChatFinding(found, worst, same=judged.same, rows=places.rows(places.judged)),
    )
    return {
        "rows": places.rows(places.judged),
        **judged.measures(),
        "bounds": _as_json(found),
        "documents": found["kld"].groups,
        "by_language": by_language,
        "languages_without_rows": [name for name in languages if name not in by_language],
        "small_languages": {
            name: _compared(part)
            for name, part in by_language.items()
            if _compared(part) < MIN_LANGUAGE_TOKENS
        },
        "other_languages": places.apart(places.other_languages, tokens),
        "by_slice": {
            column: places.apart(parts, tokens) for column, parts in places.by_slice.items()
        },
        "worst_language": None if worst is None else {"language": worst[0], "kld": worst[1]},
        "verdict": judgement.verdict,
        "rows_needed": judgement.rows_needed,
        "why": judgement.why,
    }


def measure(
    rows: Sequence[Row], nll: np.ndarray, row_of: np.ndarray, *, languages: Sequence[str] = ()
) -> dict[str, Any]:
    """What can be said of a model by itself: its perplexity, by language."""
    places = _Places(rows, row_of, languages)

    def one(part: np.ndarray) -> dict[str, Any]:
        return {
            "rows": places.rows(part),
            "tokens": len(part),
            "perplexity": float(np.exp(nll[part].mean())),
        }

    return {
        **one(places.judged),
        "by_language": {name: one(part) for name, part in places.by_language.items()},
        "languages_without_rows": [name for name in languages if name not in places.by_language],
        "other_languages": {name: one(part) for name, part in places.other_languages.items()},
    }


class _Places:
    """Which tokens belong to which part of the data."""

    def __init__(self, rows: Sequence[Row], row_of: np.ndarray, languages: Sequence[str]) -> None:
        self._row_of = row_of
        judged, others = listed_rows(rows, languages)
        spoken = [row.language for row in rows]
        columns = sorted({column for row in rows for column in row.slices})
        self.judged = self._tokens(judged)
        self.by_language = self._split(judged, spoken)
        self.other_languages = self._split(others, spoken)
        self.by_slice = {
            column: self._split(judged, [row.slices.get(column) for row in rows])
            for column in columns
        }

    def rows(self, part: np.ndarray) -> int:
        return len(np.unique(self._row_of[part]))

    def apart(self, parts: Mapping[str, np.ndarray], tokens: Tokenwise) -> dict[str, Any]:
        return {
            name: {"rows": self.rows(part), **tokens.part(part).measures()}
            for name, part in parts.items()
        }

    def _split(self, rows: np.ndarray, names: Sequence[str | None]) -> dict[str, np.ndarray]:
        found = {name: self._tokens(part) for name, part in split(rows, names).items()}
        return {name: part for name, part in found.items() if len(part)}

    def _tokens(self, rows: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(self._row_of, rows))


def _worst(languages: Mapping[str, Mapping[str, Any]]) -> tuple[str, float] | None:
    found = [
        (float(part["kld"]), name)
        for name, part in languages.items()
        if _compared(part) >= MIN_LANGUAGE_TOKENS
    ]
    return max(found)[::-1] if found else None


def _compared(part: Mapping[str, Any]) -> int:
    """How many tokens have a known divergence."""
    return int(part.get("compared", part["tokens"]))


def _as_json(found: Mapping[Measure, Bounds]) -> dict[str, Any]:
    return {name: one.as_json() for name, one in found.items()}

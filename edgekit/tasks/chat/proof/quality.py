"""Judges predictions of test texts, alone or against those of the parent. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.data.rows import Row
from edgekit.export.gguf.divergence import Measure, Tokenwise
from edgekit.judging.noninferiority import ERROR_RATE
from edgekit.tasks.chat.proof.distance import Bounds, bounds, chance_of
from edgekit.tasks.chat.proof.verdict import ChatFinding, ChatMust, ChatPart, decide, part_claim
from edgekit.tasks.classification.proof.quality import group_numbers, listed_rows, split
from edgekit.wording.language_names import language_name

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
    must = must or ChatMust()
    drawn = _Drawn(places, tokens, group_numbers(rows)[row_of], must.worst_language_kld, seed)
    spoken, sliced = drawn.parts()
    found = bounds(judged, groups, seed=seed)
    by_language = {
        name: {**places.apart({name: part}, tokens)[name], **_bounds_of(spoken[name])}
        for name, part in places.by_language.items()
    }
    worst = _worst(spoken)
    named = {f"In {language_name(code)}": part for code, part in spoken.items()}
    finding = ChatFinding(
        found,
        named | {f"Where {column} is {value}": part for (column, value), part in sliced.items()},
        frozenset(named),
        same=judged.same,
        rows=places.rows(places.judged),
    )
    judgement = decide(must, finding)
    return {
        "rows": finding.rows,
        **judged.measures(),
        "bounds": _as_json(found),
        "documents": found["kld"].groups,
        "by_language": by_language,
        "languages_without_rows": [name for name in languages if name not in by_language],
        "small_languages": {name: part.tokens for name, part in spoken.items() if not part.enough},
        "other_languages": places.apart(places.other_languages, tokens),
        "by_slice": {
            column: {
                value: {**figures, **_bounds_of(sliced[column, value])}
                for value, figures in places.apart(parts, tokens).items()
            }
            for column, parts in places.by_slice.items()
        },
        "worst_language": None if worst is None else {"language": worst[0], "kld": worst[1]},
        "verdict": judgement.verdict,
        "rows_needed": judgement.rows_needed,
        "rows_needed_by_language": _needed(spoken, must, same=judged.same),
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


class _Drawn:
    """The parts of the data, each with its bounds."""

    def __init__(
        self,
        places: _Places,
        tokens: Tokenwise,
        groups: np.ndarray,
        limit: float | None,
        seed: int,
    ) -> None:
        self._places, self._tokens, self._groups = places, tokens, groups
        self._limit, self._seed = limit, seed
        self._count = len(places.by_language) + sum(map(len, places.by_slice.values()))

    def parts(self) -> tuple[dict[str, ChatPart], dict[tuple[str, str], ChatPart]]:
        """Languages by their codes, and slices by column and value."""
        return (
            {name: self._part(part) for name, part in self._places.by_language.items()},
            {
                (column, value): self._part(part)
                for column, parts in self._places.by_slice.items()
                for value, part in parts.items()
            },
        )

    def _part(self, part: np.ndarray) -> ChatPart:
        tokens, groups = self._tokens.part(part), self._groups[part]
        chance = 1.0
        if self._limit is not None:
            least = ERROR_RATE / self._count
            chance = chance_of(tokens, groups, self._limit, seed=self._seed, least=least)
        return ChatPart(
            kld=bounds(tokens, groups, seed=self._seed)["kld"],
            chance=chance,
            tokens=_compared(tokens.measures()),
            rows=self._places.rows(part),
        )


def _bounds_of(part: ChatPart) -> dict[str, float]:
    return {"kld_low": part.kld.low, "kld_high": part.kld.high}


def _needed(
    languages: Mapping[str, ChatPart], must: ChatMust, *, same: bool
) -> dict[str, int | None]:
    """How many rows it would take in each language that is not shown to be close enough."""
    limit = must.worst_language_kld
    if limit is None:
        return {}
    claims = {
        name: part_claim(part, limit, same=same) for name, part in languages.items() if part.enough
    }
    return {
        name: claim.rows_needed for name, claim in claims.items() if claim.verdict == "INCONCLUSIVE"
    }


def _worst(languages: Mapping[str, ChatPart]) -> tuple[str, float] | None:
    found = [(part.kld.point, name) for name, part in languages.items() if part.enough]
    return max(found)[::-1] if found else None


def _compared(measured: Mapping[str, Any]) -> int:
    """How many tokens have a known divergence."""
    return int(measured.get("compared", measured["tokens"]))


def _as_json(found: Mapping[Measure, Bounds]) -> dict[str, Any]:
    return {name: one.as_json() for name, one in found.items()}

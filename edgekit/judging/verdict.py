"""PASS, FAIL or INCONCLUSIVE: compares what was measured with what must hold. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.judging.noninferiority import Kept, Metric, groups_needed_without_a_flip, rows_needed
from edgekit.tasks.quality import Verdict
from edgekit.wording.language_names import language_name

MIN_LANGUAGE_ROWS = 100


@dataclass(frozen=True, slots=True)
class Must:
    """What must hold for an artifact, compared with its teacher."""

    metric: Metric = "macro_f1"
    keep: float | None = None
    """Share of the teacher's metric that must be shown to be kept."""
    worst_language: float | None = None
    """Share that must be kept in the worst listed language of at least MIN_LANGUAGE_ROWS rows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured."""

    kept: Kept
    worst: tuple[str, float] | None
    """The worst language and its kept share; None if no language has enough rows."""
    same: bool
    """Both sides gave the same logits: the same function, whatever the number of rows."""
    rows: int


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict | None
    why: str
    rows_needed: int | None = None
    """Only if INCONCLUSIVE: the number of test rows that would settle it, if there is one."""


def decide(must: Must, finding: Finding) -> Judgement:
    """FAIL if a loss is shown, PASS if its absence is shown, else INCONCLUSIVE."""
    kept, worst = finding.kept, finding.worst
    if must.keep is None and must.worst_language is None:
        return Judgement(None, "The recipe asks for nothing that must hold.")
    if must.worst_language is not None and worst and worst[1] < must.worst_language:
        return Judgement(
            "FAIL",
            f"In {language_name(worst[0])}, the worst language, it keeps {_percent(worst[1])} of "
            f"the large model's quality; {_percent(must.worst_language)} is asked.",
        )
    if must.keep is not None and kept.high < must.keep:
        return Judgement("FAIL", _shown(kept, must.keep, "at most", kept.high))
    if must.worst_language is not None and worst is None:
        return Judgement(
            "INCONCLUSIVE",
            f"No language has {MIN_LANGUAGE_ROWS} test rows, so the worst one cannot be judged; "
            "add rows, and name the language of each in the column 'language'.",
        )
    if finding.same:
        return Judgement("PASS", "It gives the same scores as the large model.")
    if must.keep is None:
        return Judgement("PASS", "Every language keeps what is asked.")
    return _decide_share(must.keep, kept, finding.rows)


def _decide_share(keep: float, kept: Kept, rows: int) -> Judgement:
    """PASS or INCONCLUSIVE for a share that did not FAIL."""
    needed = rows_needed(kept, keep, rows)
    more = (
        "More rows are unlikely to change that."
        if needed is None
        else f"About {needed:,} test rows like these would settle it."
    )
    shown = _shown(kept, keep, "at least", kept.low)
    if kept.low < keep:
        return Judgement("INCONCLUSIVE", f"{shown} {more}", needed)
    if kept.groups < groups_needed_without_a_flip(keep):
        return Judgement(
            "INCONCLUSIVE",
            f"{kept.groups} independent groups of test rows are too few to exclude a loss of "
            f"{_percent(1 - keep)}, even where none is seen. {more}",
            needed,
        )
    return Judgement("PASS", shown)


def _shown(kept: Kept, keep: float, side: str, bound: float) -> str:
    return (
        f"It keeps {_percent(kept.point)} of the large model's quality, and with 95 % certainty "
        f"{side} {_percent(bound)}; {_percent(keep)} is asked."
    )


def worst_language(by_language: Mapping[str, Any]) -> tuple[str, float] | None:
    """The language that keeps the least, of those with enough rows, and its share."""
    shares = [
        (float(part["kept"]), name)
        for name, part in by_language.items()
        if part["rows"] >= MIN_LANGUAGE_ROWS and part["kept"] is not None
    ]
    return min(shares)[::-1] if shares else None


def as_json(
    judgement: Judgement, finding: Finding, by_language: Mapping[str, Any]
) -> dict[str, Any]:
    """The verdict as a manifest has it, with the figures that it rests on."""
    kept, worst = finding.kept, finding.worst
    return {
        "kept_low": kept.low,
        "kept_high": kept.high,
        "groups": kept.groups,
        "worst_language": None if worst is None else {"language": worst[0], "kept": worst[1]},
        "small_languages": {
            name: part["rows"]
            for name, part in by_language.items()
            if part["rows"] < MIN_LANGUAGE_ROWS
        },
        "verdict": judgement.verdict,
        "rows_needed": judgement.rows_needed,
        "why": judgement.why,
    }


def _percent(share: float) -> str:
    """0.99 -> '99 %', 0.98765 -> '98.77 %'."""
    return f"{round(100 * share, 2):g} %"

"""PASS, FAIL or INCONCLUSIVE: compares what was measured with what must hold. Measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekit.judging import parts
from edgekit.judging.noninferiority import (
    ERROR_RATE,
    Kept,
    Metric,
    Sample,
    groups_needed_without_a_flip,
    rows_needed,
)
from edgekit.judging.parts import MIN_ROWS as MIN_LANGUAGE_ROWS
from edgekit.judging.parts import Drawable, Part
from edgekit.tasks.quality import Verdict
from edgekit.wording.language_names import language_name

NAMED_PARTS = 5
"""A sentence names so many languages at most; all are in the table."""


@dataclass(frozen=True, slots=True)
class Must:
    """What must hold for an artifact, compared with its teacher."""

    metric: Metric = "macro_f1"
    keep: float | None = None
    """Share of the teacher's metric that must be shown to be kept."""
    worst_language: float | None = None
    """Share that must be shown to be kept in every listed language, and in every slice, of at least
    MIN_LANGUAGE_ROWS rows."""

    @property
    def level(self) -> float:
        """How often each of the two may FAIL falsely, so that both do together in ERROR_RATE."""
        asked = sum(share is not None for share in (self.keep, self.worst_language))
        return ERROR_RATE / max(1, asked)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured."""

    kept: Kept
    """With its `chance` of keeping `must.keep`."""
    same: bool
    """Both sides gave the same logits: the same function, whatever the number of rows."""
    rows: int
    languages: Mapping[str, Part] = field(default_factory=dict)
    """By their codes; judged at `must.worst_language`."""
    slices: Mapping[str, Mapping[str, Part]] = field(default_factory=dict)
    """By column and value; judged with the languages."""

    def parts(self) -> dict[str, Part]:
        """Every part by its name in a sentence."""
        named = {f"In {language_name(code)}": part for code, part in self.languages.items()}
        sliced = {
            f"Where {column} is {value}": part
            for column, values in self.slices.items()
            for value, part in values.items()
        }
        return named | sliced


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict | None
    why: str
    rows_needed: int | None = None
    """Only if INCONCLUSIVE: the number of test rows that would settle it, if there is one."""


@dataclass(frozen=True, slots=True)
class Places:
    """The rows of each part, as indexes of the judged ones."""

    languages: Mapping[str, Sequence[int]]
    slices: Mapping[str, Mapping[str, Sequence[int]]]


def judge_parts(
    places: Places,
    sample: Callable[[Sequence[int]], Sample],
    *,
    must: Must,
    seed: int,
    same: bool,
) -> tuple[dict[str, Part], dict[str, dict[str, Part]]]:
    """Languages and slices, judged together: `Finding.languages` and `Finding.slices`."""
    flat = {("", code): rows for code, rows in places.languages.items()}
    for column, values in places.slices.items():
        flat |= {(column, value): rows for value, rows in values.items()}
    # Names for Holm: any that are unique do.
    names = {f"{number:06}": key for number, key in enumerate(sorted(flat))}
    drawn = {name: Drawable(sample(flat[key]), len(flat[key])) for name, key in names.items()}
    judged = parts.judge(drawn, must.worst_language, level=must.level, seed=seed, same=same)
    found = {names[name]: part for name, part in judged.items()}
    languages = {code: found["", code] for code in places.languages}
    slices = {
        column: {value: found[column, value] for value in values}
        for column, values in places.slices.items()
    }
    return languages, slices


def decide(must: Must, finding: Finding) -> Judgement:
    """FAIL if a loss is shown, PASS if its absence is shown, else INCONCLUSIVE."""
    if must.keep is None and must.worst_language is None:
        return Judgement(None, "The recipe asks for nothing that must hold.")
    claims = [_whole(must.keep, must.level, finding)] if must.keep is not None else []
    if must.worst_language is not None:
        claims.append(_every_part(must.worst_language, finding))
    return joined(claims)


def joined(claims: Sequence[Judgement]) -> Judgement:
    """The judgement on several claims that must all hold; it tells of those that decide it."""
    for verdict in ("FAIL", "INCONCLUSIVE"):
        decisive = [claim for claim in claims if claim.verdict == verdict]
        if decisive:
            break
    else:
        decisive = list(claims)
    needed = [claim.rows_needed for claim in decisive]
    known = [rows for rows in needed if rows is not None]
    return Judgement(
        decisive[0].verdict,
        " ".join(claim.why for claim in decisive),
        max(known) if known and len(known) == len(needed) else None,
    )


def _whole(keep: float, level: float, finding: Finding) -> Judgement:
    kept = finding.kept
    if kept.chance <= level:
        return Judgement("FAIL", f"It {_shown(kept, keep, 'at most', kept.high)}")
    if finding.same:
        return Judgement("PASS", "It gives the same scores as the large model.")
    needed = rows_needed(kept, keep, finding.rows)
    more = (
        "More rows are unlikely to change that."
        if needed is None
        else f"About {needed:,} test rows like these would settle it."
    )
    shown = f"It {_shown(kept, keep, 'at least', kept.low)}"
    if kept.low < keep:
        return Judgement("INCONCLUSIVE", f"{shown} {more}", needed)
    if kept.groups < groups_needed_without_a_flip(keep):
        return Judgement("INCONCLUSIVE", f"{_too_few(kept, keep)} {more}", needed)
    return Judgement("PASS", shown)


def _every_part(keep: float, finding: Finding) -> Judgement:
    """FAIL names the parts that are shown to be below, INCONCLUSIVE those that may be."""
    found = finding.parts()
    below = {name: part for name, part in found.items() if part.verdict == "FAIL"}
    if below:
        judged = sum(part.enough for part in found.values())
        corrected = f" The {judged} parts were judged together." if judged > 1 else ""
        return Judgement(
            "FAIL",
            _told(below, lambda part: _shown(part.kept, keep, "at most", part.kept.high))
            + corrected,
        )
    if not any(part.enough for part in finding.languages.values()):
        return Judgement(
            "INCONCLUSIVE",
            f"No language has {MIN_LANGUAGE_ROWS} test rows, so none can be judged by itself; "
            "add rows, and name the language of each in the column 'language'.",
        )
    unsure = {name: part for name, part in found.items() if part.verdict == "INCONCLUSIVE"}
    if unsure:
        return Judgement(
            "INCONCLUSIVE", _told(unsure, lambda part: _unsure(part, keep)), _total(finding, unsure)
        )
    known = {name: part for name, part in found.items() if part.enough}
    small = [name for name, part in found.items() if not part.enough]
    few = f" Too few rows to be judged: {_listed(small)}." if small else ""
    name, least = min(known.items(), key=lambda one: (one[1].kept.low, one[0]))
    if finding.same:
        return Judgement("PASS", f"That holds in every language.{few}")
    return Judgement(
        "PASS",
        f"Every language keeps what is asked. {name} it keeps the least: with 95 % certainty at "
        f"least {_percent(least.kept.low)}; {_percent(keep)} is asked.{few}",
    )


def _told(found: Mapping[str, Part], tell: Callable[[Part], str]) -> str:
    """A sentence for each part, the one that keeps the least first."""
    order = sorted(found, key=lambda name: (found[name].kept.point, name))
    sentences = [f"{name} it {tell(found[name])}" for name in order[:NAMED_PARTS]]
    if others := order[NAMED_PARTS:]:
        sentences.append(f"The same is true of {len(others)} more: {_listed(others)}.")
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name.removeprefix("In ").removeprefix("Where ") for name in names)


def _unsure(part: Part, keep: float) -> str:
    shown = _shown(part.kept, keep, "at least", part.kept.low)
    if part.kept.low >= keep:
        shown = f"{shown} {_too_few(part.kept, keep)}"
    if part.rows_needed is None:
        return f"{shown} More rows are unlikely to change that."
    return f"{shown} About {part.rows_needed:,} such rows would settle it; there are {part.rows:,}."


def _total(finding: Finding, unsure: Mapping[str, Part]) -> int | None:
    """How many test rows there are once every unsure part has as many as it needs."""
    total = finding.rows
    for part in unsure.values():
        if part.rows_needed is None:
            return None
        total += part.rows_needed - part.rows
    return total


def _too_few(kept: Kept, keep: float) -> str:
    return (
        f"{kept.groups} independent groups of test rows are too few to exclude a loss of "
        f"{_percent(1 - keep)}, even where none is seen."
    )


def _shown(kept: Kept, keep: float, side: str, bound: float) -> str:
    return (
        f"keeps {_percent(kept.point)} of the large model's quality, and with 95 % certainty "
        f"{side} {_percent(bound)}; {_percent(keep)} is asked."
    )


def worst_language(languages: Mapping[str, Part]) -> tuple[str, float] | None:
    """The language that keeps the least, of those with enough rows, and its share."""
    shares = [(part.kept.point, code) for code, part in languages.items() if part.enough]
    return min(shares)[::-1] if shares else None


def as_json(judgement: Judgement, finding: Finding) -> dict[str, Any]:
    """The verdict as a manifest has it, with the figures that it rests on."""
    kept, worst = finding.kept, worst_language(finding.languages)
    return {
        "kept_low": kept.low,
        "kept_high": kept.high,
        "groups": kept.groups,
        "worst_language": None if worst is None else {"language": worst[0], "kept": worst[1]},
        "small_languages": {
            code: part.rows for code, part in finding.languages.items() if not part.enough
        },
        "bounds_by_language": {code: part.as_json() for code, part in finding.languages.items()},
        "bounds_by_slice": {
            column: {value: part.as_json() for value, part in values.items()}
            for column, values in finding.slices.items()
        },
        "verdict": judgement.verdict,
        "rows_needed": judgement.rows_needed,
        "rows_needed_by_language": {
            code: part.rows_needed
            for code, part in finding.languages.items()
            if part.verdict == "INCONCLUSIVE"
        },
        "why": judgement.why,
    }


def _percent(share: float) -> str:
    """0.99 -> '99 %', 0.98765 -> '98.77 %'."""
    return f"{round(100 * share, 2):g} %"

"""How good an artifact is, whatever its task: sentences and tables of figures. Measures nothing.

In `edgekit/tasks/<task>/quality.py` each task reads its own judgement, the mapping in the manifest
and from `evaluate --json`, into this one type; card, inspect, evaluate, report and app print it.
Whatever a judgement lacks, or has in another shape, is None here: an untrusted manifest may hold
anything, and one from an earlier edgekit may hold less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgekit.data import language_of
from edgekit.tables import TASKS, task_part
from edgekit.wording.language_names import language_name
from edgekit.wording.units import or_dash

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
VERDICTS: tuple[Verdict, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
"""The worst first: it is the verdict on the whole."""

ALL = "all of these"
"""The name of the row about all the others together."""
LARGE = "large model's"
"""The name of the column with the teacher's figure."""
SURELY = "surely at least"
"""The name of the column with the bound of what is kept, which decides a verdict."""
LANGUAGE = "language"
_MOST = 1e15


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of figures."""

    name: str
    at: tuple[str, ...]
    """The keys that lead to it in the judgement of each part of the data."""
    form: str = ".1%"
    """A format spec, as for `format`."""

    @property
    def is_share(self) -> bool:
        return self.form.endswith("%")

    @property
    def is_count(self) -> bool:
        return self.form == ","

    def text(self, figure: float | None) -> str:
        return or_dash(figure, self.form).replace("%", " %")


@dataclass(frozen=True, slots=True)
class Section:
    """What was measured on parts of the data, with a row of figures for each, and sentences."""

    title: str
    caption: str = ""
    head: str = ""
    """What the rows are; if it is LANGUAGE, languages by their codes."""
    measures: tuple[Measure, ...] = ()
    parts: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    rows: float | None = None
    verdict: Verdict | None = None
    why: str = ""
    rows_needed: float | None = None
    """The number of test rows that would settle an INCONCLUSIVE verdict, if there is one."""
    caveat: str = ""
    """What casts doubt on all the rest, in a sentence; empty if nothing does."""
    alone: str = ""
    """The artifact's own result, in a sentence."""
    beside: str = ""
    """Its result compared with its teacher's."""
    more: tuple[str, ...] = ()
    facts: tuple[tuple[str, str, str], ...] = ()
    """The figures to be seen first: what each is, the figure, and what it refers to."""
    card: Section = Section("")
    """By language, with only the figures of the model card."""
    sections: tuple[Section, ...] = ()
    """With all figures; the first is by language."""

    def lines(self) -> list[str]:
        """Plain sentences, most important first, with the verdict."""
        verdict = f" Verdict: {self.verdict}." if self.verdict else ""
        beside = (self.beside + verdict).strip()
        return [line for line in (self.caveat, self.alone, beside, *self.more) if line]


def read(task: str, judged: Mapping[str, Any]) -> Quality | None:
    """None if nothing was judged; for a task of a later edgekit, only the verdict is known."""
    if not judged:
        return None
    found: Quality = task_part(task, "quality").read(judged) if task in TASKS else Quality()
    return replace(
        found,
        rows=number(judged, "rows"),
        verdict=next((one for one in VERDICTS if one == at(judged, "verdict")), None),
        why=text(judged, "why"),
        rows_needed=number(judged, "rows_needed"),
    )


def judged_languages(judged: Mapping[str, Any]) -> frozenset[str]:
    """The languages of the recipe that have figures, as `language_of.same` writes them."""
    # Where both sides are judged by the same figures, each has its own.
    found = parts(judged, "by_language") or parts(judged, "artifact", "by_language")
    return frozenset(language_of.same(str(code)) for code in found)


def at(judged: object, *keys: str) -> Any:
    for key in keys:
        judged = judged.get(key) if isinstance(judged, Mapping) else None
    return judged


def number(judged: object, *keys: str) -> float | None:
    """A finite number no larger than anything that is counted here; None for anything else."""
    found = at(judged, *keys)
    known = isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < _MOST
    return found if known else None


def text(judged: object, *keys: str, default: str = "") -> str:
    found = at(judged, *keys)
    return found if isinstance(found, str) else default


def parts(judged: object, *keys: str) -> Mapping[str, Any]:
    found = at(judged, *keys)
    return found if isinstance(found, Mapping) else {}


def shown(judged: object, form: str, *keys: str) -> str:
    """A figure as it is written in a sentence."""
    return or_dash(number(judged, *keys), form)


def share(judged: object, *keys: str) -> str:
    """A share as a report writes it: 0.995 -> '99.5 %'."""
    return shown(judged, ".1%", *keys).replace("%", " %")


def table(
    title: str,
    head: str,
    found: Mapping[str, Any],
    measures: Sequence[Measure],
    *,
    caption: str = "",
    notes: Sequence[str] = (),
) -> Section:
    figures = {
        name: tuple(number(part, *measure.at) for measure in measures)
        for name, part in found.items()
    }
    return Section(title, caption, head, tuple(measures), figures, tuple(notes))


def tables(
    judged: Mapping[str, Any],
    by_language: Mapping[str, Any],
    measures: Sequence[Measure],
    *,
    caption: str,
    counted: str = "rows",
    notes: Sequence[str] = (),
) -> list[Section]:
    """Tables by language, by language outside the recipe, and by each of the recipe's `slices`.

    `counted` is what a language may have too few of to be the worst: rows or tokens.
    """
    missing = at(judged, "languages_without_rows")
    names = [language_name(str(code)) for code in missing] if isinstance(missing, list) else []
    found = [
        table(
            "Quality by language",
            LANGUAGE,
            {**by_language, ALL: judged},
            measures,
            caption=caption,
            notes=[
                *notes,
                *([f"Not judged, for want of test texts: {', '.join(names)}."] if names else []),
                *(
                    f"{language_name(code)} has {few} {counted}, too few to be judged by itself."
                    for code, few in parts(judged, "small_languages").items()
                ),
            ],
        )
    ]
    if others := parts(judged, "other_languages"):
        note = (
            "These are not in the recipe's list and do not count for the verdict; the model may "
            "answer them by what it knows of others."
        )
        title = "Languages it was not made for"
        found.append(table(title, LANGUAGE, others, measures, caption=caption, notes=[note]))
    return found + [
        table(
            f"Quality by {column}", column, _with_bounds(judged, column), measures, caption=caption
        )
        for column in parts(judged, "by_slice")
    ]


def _with_bounds(judged: Mapping[str, Any], column: str) -> dict[str, Any]:
    """The parts of a slice, each with the bound of what it keeps."""
    return {
        value: {
            "kept_low": number(judged, "bounds_by_slice", column, value, "kept_low"),
            **parts(part),
        }
        for value, part in parts(judged, "by_slice", column).items()
    }

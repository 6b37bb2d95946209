"""How good an artifact is, whatever its task: sentences and tables of figures. Measures nothing.

Each task reads its own judgement, the mapping in the manifest and of `evaluate --json`, into this
one type, in `edgekit/tasks/<task>/quality.py`; card, inspect, evaluate, report and app print it.
What a judgement lacks, or has in another shape, is None here: a stranger's manifest may hold
anything, and that of an earlier edgekit may hold less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgekit.tables import TASKS, task_part
from edgekit.wording.language_names import language_name
from edgekit.wording.units import or_dash

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
VERDICTS: tuple[Verdict, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
"""The worst first: it is that of the whole."""

ALL = "all of these"
"""The name of the row that is about all the others."""
LARGE = "large model's"
"""The name of the column that has the same of the teacher."""
LANGUAGE = "language"
_MOST = 1e15


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of figures."""

    name: str
    at: tuple[str, ...]
    """The keys that lead to it in the judgement of each part of the data."""
    form: str = ".1%"
    """As `format` takes it."""

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
    """What was found of parts of the data, a row for each: their figures, and sentences."""

    title: str
    caption: str = ""
    head: str = ""
    """What the rows are: languages, named by their codes, where it is LANGUAGE."""
    measures: tuple[Measure, ...] = ()
    parts: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    rows: float | None = None
    verdict: Verdict | None = None
    why: str = ""
    rows_needed: float | None = None
    """The test rows that would settle what is INCONCLUSIVE, if any number would."""
    alone: str = ""
    """What the artifact reaches, in a sentence."""
    beside: str = ""
    """What it reaches beside its teacher."""
    more: tuple[str, ...] = ()
    facts: tuple[tuple[str, str, str], ...] = ()
    """The figures to be seen first: what each is, the figure, and what it is of."""
    card: Section = Section("")
    """By language, in the few figures that the model card has."""
    sections: tuple[Section, ...] = ()
    """In all figures; the first is by language."""

    def lines(self) -> list[str]:
        """Plain sentences, most important first, with the verdict."""
        verdict = f" Verdict: {self.verdict}." if self.verdict else ""
        return [line for line in (self.alone, (self.beside + verdict).strip(), *self.more) if line]


def read(task: str, judged: Mapping[str, Any]) -> Quality | None:
    """None where nothing was judged; of a task from a later edgekit only the verdict is known."""
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


def at(judged: object, *keys: str) -> Any:
    for key in keys:
        judged = judged.get(key) if isinstance(judged, Mapping) else None
    return judged


def number(judged: object, *keys: str) -> float | None:
    """Neither NaN nor infinite, nor larger than anything that is counted here."""
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
    """A figure in a sentence."""
    return or_dash(number(judged, *keys), form)


def share(judged: object, *keys: str) -> str:
    """The same of a share, as a report writes it: 0.995 -> '99.5 %'."""
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
    """By language, languages outside the recipe, and by each column of the recipe's `slices`.

    `counted` is what makes a language too small to be the worst: rows or tokens.
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
                    f"{language_name(code)} has {few} {counted}, too few to be the worst language."
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
        table(f"Quality by {column}", column, parts(values), measures, caption=caption)
        for column, values in parts(judged, "by_slice").items()
    ]

"""Reads the rules of `edgekit watch` and says in one sentence what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from edgekit.errors import RecipeError
from edgekit.recipe import strict_yaml
from edgekit.recipe.faults import sentence
from edgekit.recipe.settings import Fraction, Settings, fault
from edgekit.watching import rules as watching
from edgekit.wording.suggestions import did_you_mean
from edgekit.wording.units import parse_seconds

_ROWS = re.compile(r"([0-9][0-9_,]*) ?rows")


def _window(value: object) -> object:
    if isinstance(value, str) and (found := _ROWS.fullmatch(value.strip())):
        return watching.Window(float(re.sub("[_,]", "", found[1])), "rows")
    if isinstance(value, str):
        return watching.Window(parse_seconds(value), "seconds")
    raise ValueError("give a window such as 1h, 10min or '500 rows'")


def _positive(window: watching.Window) -> watching.Window:
    if window.span <= 0:
        raise ValueError("a window is longer than nothing")
    return window


Within = Annotated[
    watching.Window,
    BeforeValidator(_window, json_schema_input_type=str),
    AfterValidator(_positive),
]
By = Literal["language", "source"]


class Do(Settings):
    """What is done besides the line in the log and the metric."""

    command: list[str] = Field(default_factory=list)
    """A program and its arguments, which gets the event as JSON on its stdin; no shell."""
    webhook: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = None
    """An address that gets the event as JSON by POST."""

    def plain(self) -> watching.Do:
        return watching.Do(tuple(self.command), self.webhook)


class Crossing(Settings):
    within: Within
    by: By | None = None

    @model_validator(mode="after")
    def _one_line(self) -> Crossing:
        given = [name for name in ("over", "under") if getattr(self, name, None) is not None]
        if len(given) != 1:
            raise fault("over", "or 'under' is the line; give one of them")
        return self


class Part(Crossing):
    """A share of the rows in the window."""

    over: Fraction | None = None
    under: Fraction | None = None
    rows: Annotated[int, Field(ge=1)] = 50
    """Judged from this many rows in the window on."""


class Share(Part):
    label: str


class Count(Crossing):
    """A number of rows in the window."""

    label: str
    over: Annotated[int, Field(ge=1)] | None = None
    under: Annotated[int, Field(ge=0)] | None = None


class Drift(Settings):
    """The mix of labels is another than expected."""

    within: Within = watching.Window(1000, "rows")
    false_alarms: Annotated[float, Field(gt=0, le=0.5)] = 0.001
    """At most this share of windows gives an alarm while the mix is the expected one."""
    distance: Fraction = 0.1
    """Changes that move a smaller share of rows from label to label give no alarm."""
    expected: Within | Literal["manifest"] = "manifest"
    """What the artifact answered on its test set, or the first rows, such as '2000 rows'."""
    by: By | None = None


KINDS = ("share", "count", "abstained", "unknown_language", "drift")


class Rule(Settings):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,59}$")]
    share: Share | None = None
    count: Count | None = None
    abstained: Part | None = None
    unknown_language: Part | None = None
    drift: Drift | None = None
    do: Do = Field(default_factory=Do)

    @model_validator(mode="after")
    def _one_kind(self) -> Rule:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise fault("name", f"is of a rule that needs one of {', '.join(KINDS)}")
        return self


class RulesFile(Settings):
    version: Literal[1]
    rules: Annotated[list[Rule], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> RulesFile:
        names = [rule.name for rule in self.rules]
        if twice := [name for name in names if names.count(name) > 1]:
            raise fault("rules", f"has two rules called '{twice[0]}'; give each a name of its own")
        return self


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the artifact that is watched."""

    labels: Sequence[str]
    languages: frozenset[str]
    expected: Mapping[str, int] | None
    """How often it gave each label on its test set; None where that is not known."""


def read(path: Path, known: Known) -> watching.Rules:
    """Raises RecipeError with file and line."""
    if not path.is_file():
        raise RecipeError(f"{path} does not exist; name a file of rules.")
    document = strict_yaml.parse(path.read_bytes(), path.name)
    try:
        found = RulesFile.model_validate(document.value)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = tuple(part for part in first["loc"] if not str(part).startswith("function-"))
        raise RecipeError(
            sentence(first, place, RulesFile, document, "", (), whole="the file of rules")
        ) from None
    rules = []
    for number, rule in enumerate(found.rules):
        try:
            rules.append(_plain(rule, known))
        except ValueError as error:
            raise RecipeError(f"{document.place(('rules', number))}: {error}.") from None
    return watching.Rules(tuple(rules), known.languages)


def _plain(rule: Rule, known: Known) -> watching.Rule:
    if rule.drift is not None:
        expected, learnt_rows = _expected(rule, rule.drift, known)
        return watching.Drift(
            name=rule.name,
            expected=expected,
            learnt_rows=learnt_rows,
            rows=_in_rows(rule, rule.drift.within),
            false_alarms=rule.drift.false_alarms,
            distance=rule.drift.distance,
            by=rule.drift.by,
            do=rule.do.plain(),
        )
    labelled = rule.share or rule.count
    if labelled is not None and labelled.label not in known.labels:
        hint = did_you_mean(labelled.label, known.labels)
        raise ValueError(f"'{rule.name}': no label is called '{labelled.label}'.{hint}".rstrip("."))
    part = rule.share or rule.abstained or rule.unknown_language
    crossing = part or rule.count
    assert crossing is not None
    return watching.Crossing(
        name=rule.name,
        counted="label"
        if labelled is not None
        else "abstained"
        if rule.abstained is not None
        else "unknown_language",
        label=labelled.label if labelled is not None else None,
        as_share=part is not None,
        over=getattr(crossing, "over", None),
        under=getattr(crossing, "under", None),
        within=crossing.within,
        by=crossing.by,
        at_least=part.rows if part is not None else 1,
        do=rule.do.plain(),
    )


def _expected(rule: Rule, drift: Drift, known: Known) -> tuple[Mapping[str, int] | None, int]:
    """What is expected, or of how many first rows it is learnt."""
    if isinstance(drift.expected, watching.Window):
        return None, _in_rows(rule, drift.expected)
    if known.expected is None:
        raise ValueError(
            f"'{rule.name}': the manifest does not say how often each label was given; let the "
            "first rows say it: expected: 2000 rows"
        )
    return known.expected, 0


def _in_rows(rule: Rule, window: watching.Window) -> int:
    if window.unit != "rows" or window.span < 100:
        raise ValueError(
            f"'{rule.name}': drift is judged over 100 rows or more, such as '1000 rows'"
        )
    return int(window.span)

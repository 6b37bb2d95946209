"""Describes a classifier: what it reads, and how good it is. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.classification import baseline, doubt
from edgekit.tasks.quality import (
    LANGUAGE,
    LARGE,
    SURELY,
    Measure,
    Quality,
    Section,
    number,
    parts,
    share,
    shown,
    table,
    tables,
    text,
)

READS = "{max_tokens} tokens at once; longer texts are read in several parts"
EXACT = "subset accuracy"
"""The share of texts that get exactly their labels, where a text may have several."""
_ROWS = Measure("rows", ("rows",), ",")


def read(judged: Mapping[str, Any]) -> Quality:
    """From the result of `proof.quality.judge`, with or without a teacher."""
    against = "teacher" in judged
    beside = (
        f"Against the uncompressed model: {shown(judged, '.1%', 'kept')} of its {_metric(judged)} "
        f"is left, surely at least {shown(judged, '.1%', 'kept_low')}; "
        f"{shown(judged, '.1%', 'agreement')} of answers are equal."
    )
    return Quality(
        alone=f"On {shown(judged, ',', 'rows')} test rows: {_figures(judged)}.",
        beside=beside if against else "",
        caveat=baseline.caveat(judged),
        more=(
            *baseline.lines(judged, word=_word(judged), metric=_metric(judged)),
            *doubt.lines(judged),
        ),
        facts=_facts(judged, against=against),
        card=table(
            "",
            LANGUAGE,
            {
                name: {**parts(part), "low": number(judged, "bounds_by_language", name, "kept_low")}
                for name, part in parts(judged, "artifact", "by_language").items()
            },
            [
                Measure("rows", ("rows",), ""),
                Measure("macro-F1", ("macro_f1",), ".3f"),
                *([Measure("kept, surely at least", ("low",))] if against else []),
            ],
        ),
        sections=(
            *_by_part(judged, against=against),
            *baseline.sections(judged, word=_word(judged), metric=_metric(judged)),
            _by_label(judged, against=against),
            _scores(judged),
            *doubt.sections(judged),
            *([_changed(judged)] if against else []),
        ),
    )


def _several(judged: Mapping[str, Any]) -> bool:
    return judged.get("several_labels") is True


def _figures(judged: Mapping[str, Any]) -> str:
    figures = {"macro-F1": "macro_f1", "accuracy": "accuracy"}
    if _several(judged):
        figures = {"macro-F1": "macro_f1", "micro-F1": "micro_f1", EXACT: "accuracy"}
    return ", ".join(
        f"{word} {shown(judged, '.3f', 'artifact', key)}" for word, key in figures.items()
    )


def _metric(judged: Mapping[str, Any]) -> str:
    return text(judged, "metric", default="macro_f1")


def _word(judged: Mapping[str, Any]) -> str:
    if _metric(judged) == "macro_f1":
        return "macro-F1"
    return EXACT if _several(judged) else _metric(judged)


def _facts(judged: Mapping[str, Any], *, against: bool) -> tuple[tuple[str, str, str], ...]:
    if not against:
        return (("Quality", share(judged, "artifact", "macro_f1"), "macro-F1"),)
    least = share(judged, "kept_low")
    told = f"of the large model's {_word(judged)}; surely at least {least}"
    return (("Quality kept", share(judged, "kept"), told),)


def _by_part(judged: Mapping[str, Any], *, against: bool) -> list[Section]:
    metric, word = _metric(judged), _word(judged)
    large = [
        Measure(LARGE, ("teacher", metric)),
        Measure("kept", ("kept",)),
        Measure(SURELY, ("kept_low",)),
    ]
    by_language = {
        name: {
            "rows": number(part, "rows"),
            "artifact": part,
            "teacher": parts(judged, "teacher", "by_language", name),
            "kept": number(judged, "kept_by_language", name),
            "kept_low": number(judged, "bounds_by_language", name, "kept_low"),
        }
        for name, part in parts(judged, "artifact", "by_language").items()
    }
    measures = [Measure(word, ("artifact", metric)), *(large if against else []), _ROWS]
    return tables(judged, by_language, measures, caption=f"{word}: 100 % is never wrong")


def _by_label(judged: Mapping[str, Any], *, against: bool) -> Section:
    labels = {
        name: {**parts(part), "large": number(judged, "teacher", "by_label", name, "f1")}
        for name, part in parts(judged, "artifact", "by_label").items()
        if number(part, "rows")
    }
    return table(
        "Quality by label",
        "label",
        labels,
        [Measure("F1", ("f1",)), *([Measure(LARGE, ("large",))] if against else []), _ROWS],
        caption="Of the texts that carry a label and those that were given it, how well the two "
        "agree (F1)",
    )


def _scores(judged: Mapping[str, Any]) -> Section:
    return Section(
        "How far its scores can be trusted",
        notes=(
            f"Each {'label' if _several(judged) else 'answer'} comes with a score. A score of 80 % "
            "should be right 80 times in 100. On the test texts the score and the share of right "
            "answers differ by "
            f"{share(judged, 'artifact', 'ece')} on average (ECE).",
        ),
    )


def _changed(judged: Mapping[str, Any]) -> Section:
    return Section(
        "Answers that changed",
        notes=(
            f"{shown(judged, ',', 'flips', 'worse')} texts that the large model had right are "
            f"wrong now, and {shown(judged, ',', 'flips', 'better')} that it had wrong are right "
            f"now. {share(judged, 'agreement')} of all answers are the same.",
        ),
    )

"""Describes a summarizer: what it reads, and how good it is. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.quality import (
    LANGUAGE,
    LARGE,
    SURELY,
    Measure,
    Quality,
    Section,
    at,
    number,
    parts,
    share,
    shown,
    table,
    tables,
    text,
)
from edgekit.wording.language_names import language_name

READS = "{max_tokens} tokens at once; longer texts are read in parts, all of them"


def read(judged: Mapping[str, Any]) -> Quality:
    """From the result of `proof.quality.judge`, with or without a teacher."""
    metric, against = text(judged, "metric", default="rougeLsum"), "teacher" in judged
    by_language = {
        name: {**parts(part), "kept_low": number(judged, "bounds_by_language", name, "kept_low")}
        for name, part in parts(judged, "by_language").items()
    }
    card = [
        Measure("rows", ("rows",), ""),
        Measure(metric, (metric,), ".3f"),
        Measure("a lead", ("lead", metric), ".3f"),
        *([Measure("kept, surely at least", ("kept_low",))] if against else []),
    ]
    large = [
        Measure(LARGE, ("teacher", metric)),
        Measure("kept", ("kept",)),
        Measure(SURELY, ("kept_low",)),
    ]
    measures = [
        Measure(metric, (metric,)),
        *(large if against else []),
        Measure("a lead", ("lead", metric)),
        Measure("chrF", ("chrf",)),
        Measure("length, times", ("length_ratio",), ".2f"),
        Measure("rows", ("rows",), ","),
    ]
    lost = [language_name(code) for code, part in by_language.items() if not _beats(part)]
    languages = tables(
        judged,
        by_language,
        measures,
        caption=f"{metric} against people's summaries: 100 % says the same in the same words",
        notes=[
            f"It does not beat a lead in: {', '.join(lost)}. The beginning of a text, as long as "
            "the summary, says as much or more there."
        ]
        if lost
        else [],
    )
    return Quality(
        alone=f"On {shown(judged, ',', 'rows')} test rows: ROUGE-1 "
        f"{shown(judged, '.3f', 'rouge1')}, ROUGE-2 {shown(judged, '.3f', 'rouge2')}, ROUGE-Lsum "
        f"{shown(judged, '.3f', 'rougeLsum')}, chrF {shown(judged, '.3f', 'chrf')}; the beginning "
        f"of each text, as long, has {metric} {shown(judged, '.3f', 'lead', metric)}.",
        beside=_kept(judged, metric) if against else "",
        facts=_facts(judged, metric) if against else (),
        card=table("", LANGUAGE, by_language, card),
        sections=(languages[0], _look_out(judged, against=against), *languages[1:]),
    )


def _beats(part: object) -> bool:
    return at(part, "beats_lead") is not False


def _kept(judged: Mapping[str, Any], metric: str) -> str:
    if number(judged, "kept") is None:
        return f"The uncompressed model's {metric} is 0: there is nothing to keep."
    kept, least = (shown(judged, ".1%", key) for key in ("kept", "kept_low"))
    return (
        f"Against the uncompressed model: {kept} of its {metric} is left, surely at least {least}."
    )


def _facts(judged: Mapping[str, Any], metric: str) -> tuple[tuple[str, str, str], ...]:
    kept = f"of the large model's {metric}; surely at least {share(judged, 'kept_low')}"
    over, surely = (shown(judged, ".2f", "over_lead", bound) for bound in ("point", "low"))
    return (
        ("Quality kept", share(judged, "kept"), kept),
        ("Over a lead", f"× {over}", f"a text's beginning, as long; surely at least × {surely}"),
    )


def _look_out(judged: Mapping[str, Any], *, against: bool) -> Section:
    theirs = f" (the large model's: {share(judged, 'teacher', 'unsupported')})"
    note = (
        f"{share(judged, 'unsupported')} of its summaries have a number or a name that the text "
        f"does not have{theirs if against else ''}; {share(judged, 'new_pairs')} of their pairs of "
        f"words are new, and {share(judged, 'repetition')} repeat one."
    )
    return Section("What to look out for", notes=(note,))

"""Describes a translator: what it reads, and how good it is. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.quality import (
    LANGUAGE,
    LARGE,
    SURELY,
    Measure,
    Quality,
    number,
    parts,
    share,
    shown,
    table,
    tables,
)

READS = "{max_tokens} tokens at once; texts are translated sentence by sentence, all of them"


def read(judged: Mapping[str, Any]) -> Quality:
    """From the result of `proof.quality.judge`, with or without a teacher."""
    against = "teacher" in judged
    by_language = {
        name: {**parts(part), "kept_low": number(judged, "bounds_by_language", name, "kept_low")}
        for name, part in parts(judged, "by_language").items()
    }
    card = [
        Measure("rows", ("rows",), ""),
        Measure("chrF", ("chrf",), ".1f"),
        Measure("BLEU", ("bleu",), ".1f"),
        *([Measure("kept, surely at least", ("kept_low",))] if against else []),
    ]
    large = [
        Measure(LARGE, ("teacher", "chrf"), ".1f"),
        Measure("its BLEU", ("teacher", "bleu"), ".1f"),
        Measure("kept", ("kept",)),
        Measure(SURELY, ("kept_low",)),
    ]
    measures = [
        Measure("chrF", ("chrf",), ".1f"),
        Measure("BLEU", ("bleu",), ".1f"),
        *(large if against else []),
        Measure("length, times", ("length_ratio",), ".2f"),
        Measure("rows", ("rows",), ","),
    ]
    languages = tables(
        judged,
        by_language,
        measures,
        caption="chrF and BLEU against people's translations: 100 is the same text",
    )
    return Quality(
        alone=f"On {shown(judged, ',', 'rows')} test rows: chrF {shown(judged, '.1f', 'chrf')}, "
        f"BLEU {shown(judged, '.1f', 'bleu')}, by sacrebleu.",
        beside=_kept(judged) if against else "",
        facts=_facts(judged) if against else (),
        card=table("", LANGUAGE, by_language, card),
        sections=tuple(languages),
    )


def _kept(judged: Mapping[str, Any]) -> str:
    if number(judged, "kept") is None:
        return "The uncompressed model's chrF is 0: there is nothing to keep."
    kept, least = (shown(judged, ".1%", key) for key in ("kept", "kept_low"))
    return (
        f"Against the uncompressed model: {kept} of the mean chrF of its sentences is left, surely "
        f"at least {least}."
    )


def _facts(judged: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    kept = f"of the large model's chrF; surely at least {share(judged, 'kept_low')}"
    large = f"the large model has {shown(judged, '.1f', 'teacher', 'bleu')}"
    return (
        ("Quality kept", share(judged, "kept"), kept),
        ("BLEU", shown(judged, ".1f", "bleu"), large),
    )

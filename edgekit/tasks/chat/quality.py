"""Describes a chat model: what it reads, and how close it is to its teacher. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.quality import (
    LANGUAGE,
    LARGE,
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
)

READS = "and writes {max_tokens} tokens in one conversation at most"
_COUNTED = [Measure("tokens", ("tokens",), ","), Measure("rows", ("rows",), ",")]
_COMPARED = [
    Measure("divergence", ("kld",), ".4f"),
    Measure("surely at most", ("kld_high",), ".4f"),
    Measure("99 % below", ("kld_p99",), ".3f"),
    Measure("same choice", ("top1",)),
    Measure("perplexity, times", ("ppl_ratio",), ".4f"),
    *_COUNTED,
]
_ALONE = [Measure("perplexity", ("perplexity",), ".2f"), *_COUNTED]
_CARD = [
    Measure("tokens", ("tokens",), ""),
    Measure("divergence", ("kld",), ".4f"),
    Measure("surely at most", ("kld_high",), ".4f"),
    Measure("same choice", ("top1",)),
    Measure("perplexity, times", ("ppl_ratio",), ".4f"),
]


def read(judged: Mapping[str, Any]) -> Quality:
    """From the result of `judge` or `measure` in `proof.quality`, and that of questions."""
    against = "kld" in judged
    counted = f"On {shown(judged, ',', 'tokens')} tokens of {shown(judged, ',', 'rows')} test rows"
    beside = (
        f"{counted}, against the uncompressed model: its predictions diverge by "
        f"{shown(judged, '.4f', 'kld')} nats a token (99 % of tokens by less than "
        f"{shown(judged, '.3f', 'kld_p99')}), {shown(judged, '.1%', 'top1')} of its likeliest "
        f"tokens are the same, and its perplexity is {shown(judged, '.4f', 'ppl_ratio')} times as "
        "high."
    )
    alone = f"{counted}: perplexity {shown(judged, '.2f', 'perplexity')}."
    by_language = parts(judged, "by_language")
    languages = tables(
        {**judged, "kld_high": number(judged, "bounds", "kld", "high")},
        by_language,
        _COMPARED if against else _ALONE,
        caption="small model beside the large one, on the same tokens"
        if against
        else "small model alone",
        counted="tokens",
    )
    return Quality(
        alone=alone if "perplexity" in judged and not against else "",
        beside=beside if against else "",
        more=(*_read_anew(at(judged, "read_anew")), *_asked(at(judged, "questions"))),
        facts=_facts(judged) if against else (),
        card=table("", LANGUAGE, by_language, _CARD),
        sections=(*languages, *_questions(at(judged, "questions"))),
    )


def _facts(judged: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    most = shown(judged, ".3g", "bounds", "kld", "high")
    least = share(judged, "bounds", "top1", "low")
    return (
        ("Divergence", shown(judged, ".3g", "kld"), f"nats a token; surely at most {most}"),
        ("Same first choice", share(judged, "top1"), f"of tokens; surely at least {least}"),
    )


def _read_anew(anew: object) -> list[str]:
    if anew is None:
        return []
    return [
        f"{shown(anew, ',', 'rows')} of the rows have pieces that it has lost: up to the first of "
        "them the rows were compared token by token. It spends "
        f"{shown(anew, '.4f', 'bits_per_byte', 'model')} bits a byte on them, and the uncompressed "
        f"model {shown(anew, '.4f', 'bits_per_byte', 'parent')}."
    ]


def _asked(asked: object) -> list[str]:
    if asked is None:
        return []
    return [
        f"Of {shown(asked, ',', 'rows')} questions with one right answer it has "
        f"{shown(asked, '.1%', 'artifact', 'accuracy')} right, and the uncompressed model "
        f"{shown(asked, '.1%', 'teacher', 'accuracy')}."
    ]


def _questions(asked: object) -> list[Section]:
    if asked is None:
        return []
    by_language = {
        name: {**parts(part), "large": number(asked, "teacher", "by_language", name, "accuracy")}
        for name, part in parts(asked, "artifact", "by_language").items()
    }
    note = (
        f"{share(asked, 'kept')} of the large model's right answers is kept, surely at least "
        f"{share(asked, 'kept_low')}. {share(asked, 'agreement')} of the answers are the same; "
        f"{shown(asked, ',', 'flips', 'worse')} that were right are wrong now, and "
        f"{shown(asked, ',', 'flips', 'better')} the reverse."
    )
    measures = [
        Measure("right", ("accuracy",)),
        Measure(LARGE, ("large",)),
        Measure("questions", ("rows",), ","),
    ]
    return [
        table(
            "Questions with one right answer",
            LANGUAGE,
            by_language,
            measures,
            caption="share of right answers",
            notes=[note],
        )
    ]

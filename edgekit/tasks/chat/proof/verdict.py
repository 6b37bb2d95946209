"""PASS, FAIL or INCONCLUSIVE for a language model, from bounds on how far it is from its parent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgekit.export.gguf.divergence import Measure
from edgekit.judging.verdict import Judgement
from edgekit.tasks.chat.proof.distance import Bounds, rows_needed
from edgekit.tasks.quality import Verdict
from edgekit.wording.language_names import language_name

MIN_LANGUAGE_TOKENS = 1000
MIN_GROUPS = 20
"""With fewer independent documents, a bootstrap understates its uncertainty."""


@dataclass(frozen=True, slots=True)
class ChatMust:
    """What must hold for a language model, compared with its parent."""

    kld: float | None = None
    """Mean divergence in nats a token, at most."""
    top1: float | None = None
    """Share of tokens for which both predict the same token as the likeliest, at least."""
    ppl_ratio: float | None = None
    """Perplexity as a multiple of the parent's, at most."""
    worst_language_kld: float | None = None
    """`kld` in the worst listed language of at least MIN_LANGUAGE_TOKENS tokens, at most."""


@dataclass(frozen=True, slots=True)
class ChatFinding:
    """What was measured."""

    bounds: Mapping[Measure, Bounds]
    worst: tuple[str, float] | None
    """The worst language and its `kld`; None if no language has enough tokens."""
    same: bool
    """Both predict the same: the same function, whatever the number of rows."""
    rows: int


@dataclass(frozen=True, slots=True)
class _Claim:
    """One measure compared with what must hold for it."""

    verdict: Verdict
    why: str
    rows_needed: int | None = None


def decide(must: ChatMust, finding: ChatFinding) -> Judgement:
    """FAIL if a loss is shown, PASS if its absence is shown, else INCONCLUSIVE."""
    asked: tuple[tuple[Measure, float | None, Callable[[Measure, float, ChatFinding], _Claim]], ...]
    asked = (
        ("kld", must.kld, _at_most),
        ("ppl_ratio", must.ppl_ratio, _at_most),
        ("top1", must.top1, _at_least),
    )
    claims = [claim(name, limit, finding) for name, limit, claim in asked if limit is not None]
    if must.worst_language_kld is not None:
        claims.append(_worst(must.worst_language_kld, finding))
    if not claims:
        return Judgement(None, "The recipe asks for nothing that must hold.")
    unlike = [claim for claim in claims if claim.verdict == "FAIL"]
    if unlike:
        return Judgement("FAIL", _joined(unlike))
    unsure = [claim for claim in claims if claim.verdict == "INCONCLUSIVE"]
    if unsure:
        needed = [claim.rows_needed for claim in unsure]
        known = [rows for rows in needed if rows is not None]
        return Judgement(
            "INCONCLUSIVE", _joined(unsure), max(known) if len(known) == len(needed) else None
        )
    return Judgement("PASS", _joined(claims))


def _joined(claims: Sequence[_Claim]) -> str:
    return " ".join(claim.why for claim in claims)


def _at_most(name: Measure, limit: float, finding: ChatFinding) -> _Claim:
    found = finding.bounds[name]
    if found.low > limit:
        return _Claim("FAIL", _shown(name, found.point, "least", found.low, limit))
    shown = _shown(name, found.point, "most", found.high, limit)
    return _settled(shown, found, limit, finding, holds=found.high <= limit)


def _at_least(name: Measure, limit: float, finding: ChatFinding) -> _Claim:
    found = finding.bounds[name]
    if found.high < limit:
        return _Claim("FAIL", _shown(name, found.point, "most", found.high, limit))
    shown = _shown(name, found.point, "least", found.low, limit)
    return _settled(shown, found, limit, finding, holds=found.low >= limit)


def _settled(
    shown: str, found: Bounds, limit: float, finding: ChatFinding, *, holds: bool
) -> _Claim:
    """PASS or INCONCLUSIVE for a measure that did not FAIL."""
    few = found.groups < MIN_GROUPS and not finding.same
    if holds and not few:
        return _Claim("PASS", shown)
    needed = rows_needed(found, limit, finding.rows)
    if few:
        needed = max(needed or 0, -(-finding.rows * MIN_GROUPS // found.groups))
        shown += f" {found.groups} independent documents are too few to be sure of that."
    more = (
        "More rows are unlikely to change that."
        if needed is None
        else f"About {needed:,} test rows like these would settle it."
    )
    return _Claim("INCONCLUSIVE", f"{shown} {more}", needed)


def _worst(limit: float, finding: ChatFinding) -> _Claim:
    if finding.worst is None:
        return _Claim(
            "INCONCLUSIVE",
            f"No language has {MIN_LANGUAGE_TOKENS:,} test tokens, so the worst one cannot be "
            "judged; add rows, and name the language of each in the column 'language'.",
        )
    language, found = finding.worst
    return _Claim(
        "FAIL" if found > limit else "PASS",
        f"In {language_name(language)}, the worst language, it is {found:.3g} nats a token from "
        f"the large model; {limit:g} is asked.",
    )


def _shown(name: Measure, point: float, side: str, bound: float, limit: float) -> str:
    texts = {
        "kld": ("Its predictions are {} nats a token from the large model's", "{:.3g}"),
        "ppl_ratio": ("Its perplexity is {} times the large model's", "{:.4g}"),
        "top1": ("{} of its likeliest tokens are the large model's", "{:.4g} %"),
    }
    sentence, shape = texts[name]
    shown = [shape.format(100 * one if name == "top1" else one) for one in (point, bound, limit)]
    return (
        f"{sentence.format(shown[0])}, and with 95 % certainty at {side} {shown[1]}; "
        f"{shown[2]} is asked."
    )

"""PASS, FAIL or INCONCLUSIVE for a language model, from bounds on how far it is from its parent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from edgekit.export.gguf.divergence import Measure
from edgekit.judging.parts import holm
from edgekit.judging.verdict import NAMED_PARTS, Judgement, joined
from edgekit.tasks.chat.proof.distance import Bounds, rows_needed

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
    """`kld` in every listed language, and every slice, of at least MIN_LANGUAGE_TOKENS tokens, at
    most."""


@dataclass(frozen=True, slots=True)
class ChatPart:
    """What was found of the tokens of one language, or of one value of a slice."""

    kld: Bounds
    chance: float
    """The p-value of a divergence of what is asked, or less; 1 if nothing is asked."""
    tokens: int
    rows: int

    @property
    def enough(self) -> bool:
        return self.tokens >= MIN_LANGUAGE_TOKENS


@dataclass(frozen=True, slots=True)
class ChatFinding:
    """What was measured."""

    bounds: Mapping[Measure, Bounds]
    parts: Mapping[str, ChatPart]
    """Languages and slices by their names in a sentence ('In French')."""
    languages: Collection[str]
    """Which of the parts are languages."""
    same: bool
    """Both predict the same: the same function, whatever the number of rows."""
    rows: int


def decide(must: ChatMust, finding: ChatFinding) -> Judgement:
    """FAIL if a loss is shown, PASS if its absence is shown, else INCONCLUSIVE."""
    asked: tuple[
        tuple[Measure, float | None, Callable[[Measure, float, ChatFinding], Judgement]], ...
    ]
    asked = (
        ("kld", must.kld, _at_most),
        ("ppl_ratio", must.ppl_ratio, _at_most),
        ("top1", must.top1, _at_least),
    )
    claims = [claim(name, limit, finding) for name, limit, claim in asked if limit is not None]
    if must.worst_language_kld is not None:
        claims.append(_every_part(must.worst_language_kld, finding))
    if not claims:
        return Judgement(None, "The recipe asks for nothing that must hold.")
    return joined(claims)


def _at_most(name: Measure, limit: float, finding: ChatFinding) -> Judgement:
    found = finding.bounds[name]
    if found.low > limit:
        return Judgement("FAIL", _shown(name, found.point, "least", found.low, limit))
    shown = _shown(name, found.point, "most", found.high, limit)
    return _settled(shown, found, limit, finding.rows, holds=found.high <= limit, same=finding.same)


def _at_least(name: Measure, limit: float, finding: ChatFinding) -> Judgement:
    found = finding.bounds[name]
    if found.high < limit:
        return Judgement("FAIL", _shown(name, found.point, "most", found.high, limit))
    shown = _shown(name, found.point, "least", found.low, limit)
    return _settled(shown, found, limit, finding.rows, holds=found.low >= limit, same=finding.same)


def _settled(
    shown: str, found: Bounds, limit: float, rows: int, *, holds: bool, same: bool
) -> Judgement:
    """PASS or INCONCLUSIVE for a measure that did not FAIL."""
    few = found.groups < MIN_GROUPS and not same
    if holds and not few:
        return Judgement("PASS", shown)
    needed = rows_needed(found, limit, rows)
    if few:
        needed = max(needed or 0, -(-rows * MIN_GROUPS // found.groups))
        shown += f" {found.groups} independent documents are too few to be sure of that."
    more = (
        "More rows are unlikely to change that."
        if needed is None
        else f"About {needed:,} test rows like these would settle it."
    )
    return Judgement("INCONCLUSIVE", f"{shown} {more}", needed)


def _every_part(limit: float, finding: ChatFinding) -> Judgement:
    """FAIL names the parts that are shown to be further off, as in judging/parts.py."""
    chances = {name: part.chance for name, part in finding.parts.items()}
    if below := holm(chances):
        told = _each(
            {name: part for name, part in finding.parts.items() if name in below},
            lambda part: _shown("kld", part.kld.point, "least", part.kld.low, limit),
        )
        corrected = f" The {len(chances)} parts were judged together." if len(chances) > 1 else ""
        return Judgement("FAIL", told + corrected)
    if not any(finding.parts[name].enough for name in finding.languages):
        return Judgement(
            "INCONCLUSIVE",
            f"No language has {MIN_LANGUAGE_TOKENS:,} test tokens, so none can be judged by "
            "itself; add rows, and name the language of each in the column 'language'.",
        )

    def tell(part: ChatPart) -> str:
        return part_claim(part, limit, same=finding.same).why

    judged = {name: part for name, part in finding.parts.items() if part.enough}
    claims = {name: part_claim(part, limit, same=finding.same) for name, part in judged.items()}
    unsure = [name for name, claim in claims.items() if claim.verdict == "INCONCLUSIVE"]
    if unsure:
        needed = [claims[name].rows_needed for name in unsure]
        known = [rows for rows in needed if rows is not None]
        total = finding.rows + sum(known) - sum(judged[name].rows for name in unsure)
        return Judgement(
            "INCONCLUSIVE",
            _each({name: judged[name] for name in unsure}, tell),
            total if len(known) == len(needed) else None,
        )
    small = [name.removeprefix("In ") for name, part in finding.parts.items() if not part.enough]
    few = f" Too few tokens to be judged: {', '.join(small)}." if small else ""
    worst = max(judged, key=lambda name: (judged[name].kld.point, name))
    return Judgement("PASS", f"{_each({worst: judged[worst]}, tell)}{few}")


def part_claim(part: ChatPart, limit: float, *, same: bool) -> Judgement:
    """PASS or INCONCLUSIVE for a part that did not FAIL."""
    shown = _shown("kld", part.kld.point, "most", part.kld.high, limit)
    return _settled(shown, part.kld, limit, part.rows, holds=part.kld.high <= limit, same=same)


def _each(found: Mapping[str, ChatPart], tell: Callable[[ChatPart], str]) -> str:
    """A sentence for each part, the one that is furthest off first."""
    order = sorted(found, key=lambda name: (-found[name].kld.point, name))
    sentences = [f"{name}: {tell(found[name])}" for name in order[:NAMED_PARTS]]
    if order[0].startswith("In "):
        sentences[0] = sentences[0].replace(":", ", the worst language:", 1)
    if others := order[NAMED_PARTS:]:
        names = ", ".join(name.removeprefix("In ") for name in others)
        sentences.append(f"The same is true of {len(others)} more: {names}.")
    return " ".join(sentences)


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

"""Whether a text looks like those that were taught: of its sequences of letters, how many occurred
there. Runs no model, so that texts are told from others that a model would be as sure of.

What occurred is kept as one bit for each hash: none of the texts can be read from it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgekit.artifact.specs import OTHERS
from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.errors import ArtifactError

FILE = "familiar.bin"
VERSION = 1
"""Counts up when the same texts give other bits: an artifact's are read by the hash of its time."""
BITS = 20
LENGTHS = (3, 4, 5)
CHARACTERS = 4_000
"""Of a long text so many are looked at."""
FALSE_ALARMS = 0.05
"""The share of validation rows that are found unfamiliar, of each script."""
FEWEST_ROWS = 50
"""Validation rows that a threshold is found on; on fewer it would be theirs alone."""
FEWEST_SEQUENCES = 10
"""Of a shorter text nothing is said."""
_MULTIPLIER, _MIXER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_LETTERS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Familiar:
    seen: np.ndarray = field(repr=False)
    """Bits, packed into uint8 of shape (2 ** BITS / 8,)."""
    least: Mapping[str, float]
    """By script, the least share of sequences that a familiar text has in common with these."""

    def __call__(self, given: Input) -> bool | None:
        """None where the text is too short to tell."""
        text = _joined(given)
        share = self.share(text)
        if share is None:
            return None
        return share >= self.least.get(script(text), self.least[OTHERS])

    def share(self, text: str) -> float | None:
        """Of the text's sequences, those that were seen; None where there are too few."""
        places = _places(text)
        if len(places) < FEWEST_SEQUENCES:
            return None
        bits = self.seen[places >> 3] >> (places & 7).astype(np.uint8) & 1
        return float(bits.mean())


def seen_in(taught: Iterable[Input]) -> np.ndarray:
    """The bits of all sequences of these texts."""
    seen = np.zeros(2**BITS, dtype=bool)
    for given in taught:
        seen[_places(_joined(given))] = True
    return np.packbits(seen, bitorder="little")


def fit(seen: np.ndarray, validation: Sequence[Input]) -> Familiar | None:
    """With the thresholds below which FALSE_ALARMS of these rows lie; None for too few rows."""
    plain = Familiar(seen, {OTHERS: 0.0})
    by_script: dict[str, list[float]] = {}
    for given in validation:
        text = _joined(given)
        if (share := plain.share(text)) is not None:
            by_script.setdefault(script(text), []).append(share)
    many = {name: one for name, one in by_script.items() if len(one) >= FEWEST_ROWS}
    few = [share for name, one in by_script.items() if name not in many for share in one]
    least = {name: _low(one) for name, one in sorted(many.items())}
    if len(few) >= FEWEST_ROWS:
        least[OTHERS] = _low(few)
    elif least:
        # The most patient of them: what is written in another script altogether is far below it.
        least[OTHERS] = min(least.values())
    return Familiar(seen, least) if least else None


def opened(data: bytes, least: Mapping[str, float]) -> Familiar:
    """From the bytes of an artifact's file."""
    if len(data) != 2**BITS // 8:
        raise ArtifactError(f"{FILE}: it is not as long as it should be; build the artifact again.")
    return Familiar(np.frombuffer(data, dtype=np.uint8), least)


def script(text: str) -> str:
    """The script of most of its letters, as Unicode's names call it: `latin`, `cjk`, `arabic`."""
    letters = [letter for letter in text[:CHARACTERS] if letter.isalpha()][:_LETTERS_LOOKED_AT]
    names = Counter(unicodedata.name(letter, "?").split(maxsplit=1)[0] for letter in letters)
    return names.most_common(1)[0][0].lower() if names else OTHERS


def _low(shares: Sequence[float]) -> float:
    # Rounded down, so that what lies on it stays familiar.
    return float(np.floor(np.quantile(shares, FALSE_ALARMS) * 1e6) / 1e6)


def _joined(given: Input) -> str:
    return " ".join(inputs.texts(given))


def _places(text: str) -> np.ndarray:
    """The hashes of the different sequences of a text, in rising order."""
    folded = unicodedata.normalize("NFKC", text[:CHARACTERS]).casefold()
    codes = np.frombuffer(
        f" {' '.join(folded.split())} ".encode("utf-32-le", "surrogatepass"), dtype="<u4"
    ).astype(np.uint64)
    found = [_hashes(codes, length) for length in LENGTHS if len(codes) >= length]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _hashes(codes: np.ndarray, length: int) -> np.ndarray:
    total = np.full(len(codes) - length + 1, length, dtype=np.uint64)
    for place in range(length):  # overflows on purpose
        total = (total + codes[place : place + len(total)]) * _MULTIPLIER
        total ^= total >> np.uint64(29)
    return (total * _MIXER >> np.uint64(64 - BITS)).astype(np.int64)

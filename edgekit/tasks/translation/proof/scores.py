"""chrF and BLEU of translations against people's, by sacrebleu. Runs no model.

chrF: Popović 2015; BLEU: Papineni et al. 2002, as Post 2018 (arXiv 1804.08771) made it comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from edgekit.wording.directions import split

_TOKENIZERS = {"zh": "zh", **dict.fromkeys(("ja", "km", "lo", "my", "th", "yue"), "char")}
"""What sacrebleu cuts words with, for targets without spaces between them."""
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Scored:
    """One side's translations, beside people's."""

    translations: Sequence[str]
    references: Sequence[str]
    names: Sequence[str | None]
    """The direction of each."""
    chrf: np.ndarray
    """chrF of each row from 0 to 1, shape (rows,): what a verdict rests on."""
    length_ratio: np.ndarray
    """Characters of the translation over those of the reference."""

    def part(self, places: np.ndarray) -> dict[str, float]:
        """Of these rows as one text, as `sacrebleu` prints them: from 0 to 100."""
        found = [self.translations[place] for place in places]
        wanted = [self.references[place] for place in places]
        targets = {_target(self.names[place]) for place in places}
        # Rows in different languages: words are cut as in most languages.
        [target] = targets if len(targets) == 1 else [""]
        return {
            "chrf": float(CHRF().corpus_score(found, [wanted]).score),
            "bleu": float(_bleu(target).corpus_score(found, [wanted]).score),
            "sentence_chrf": float(self.chrf[places].mean()),
            "length_ratio": float(self.length_ratio[places].mean()),
        }


def score(
    references: Sequence[str],
    translations: Sequence[str],
    names: Sequence[str | None],
    *,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Scored:
    metric, found = CHRF(), list[float]()
    for reference, translation in zip(references, translations, strict=True):
        found.append(metric.sentence_score(translation, [reference]).score / _PERCENT)
        on_progress(len(found) / len(references))
    ratios = [
        len(one) / max(1, len(wanted)) for one, wanted in zip(translations, references, strict=True)
    ]
    return Scored(translations, references, names, np.array(found), np.array(ratios))


def signatures(names: Sequence[str]) -> dict[str, str]:
    """How sacrebleu says what was measured, for each direction and for chrF."""
    chrf, found = CHRF(), dict[str, str]()
    chrf.corpus_score(["a"], [["a"]])
    found["chrf"] = str(chrf.get_signature())
    for name in names:
        bleu = _bleu(_target(name))
        bleu.corpus_score(["a"], [["a"]])
        found[f"bleu {name}"] = str(bleu.get_signature())
    return found


def _bleu(target: str) -> BLEU:
    return BLEU(tokenize=_TOKENIZERS.get(target, "13a"))


def _target(name: str | None) -> str:
    both = split(name or "")
    return "" if both is None else both[1].partition("-")[0]

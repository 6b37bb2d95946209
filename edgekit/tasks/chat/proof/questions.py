"""Judges a language model by multiple-choice questions, compared with its parent.

A model's answer is the choice that is likeliest after the question: the one whose tokens have the
largest sum of log-probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.export.gguf import documents, predicting
from edgekit.export.gguf.predicting import Predictions
from edgekit.job.job import OnProgress, OutputJob
from edgekit.system.digest import sha256_json
from edgekit.tasks.chat.proof import comparing
from edgekit.tasks.classification.proof.quality import Must, judge

if TYPE_CHECKING:
    from edgekit.job.plan import Plan

VERSION = 1
# Questions have different numbers of choices; a missing one is never the likeliest.
_NOT_THERE = -1e9
# Left out of a classifier's judgement: labels here are only indexes into each row's choices.
_MEANINGLESS = ("by_label", "ece")


def scores(name: str, model: Path, digest: str, rows: Sequence[Row], job: OutputJob) -> np.ndarray:
    """Log-probabilities of each row's choices, through the store; shape (rows, most choices)."""
    inputs = {
        "model": digest,
        "rows": sha256_json([[row.text, list(row.messages), list(row.choices)] for row in rows]),
        "max_tokens": job.max_tokens,
        "version": VERSION,
        "packages": job.packages,
    }
    done = job.run(name, inputs, partial(_score, model, rows, job.max_tokens))
    return np.asarray(np.load(done.folder / "scores.npy", allow_pickle=False))


def quality(
    plan: Plan, rows: Sequence[Row], artifact: np.ndarray, teacher: np.ndarray
) -> dict[str, Any]:
    """The accuracy of both sides, the share kept, by language, and the verdict on `must.keep`."""
    recipe = plan.bound.recipe
    places = [Row(row.text, label=str(row.choices.index(str(row.label))), language=row.language,
                  group=row.group) for row in rows]  # fmt: skip
    found = judge(
        places,
        artifact,
        [str(place) for place in range(artifact.shape[1])],
        teacher_logits=teacher,
        languages=recipe.languages,
        must=Must("accuracy", None if plan.smoke else recipe.must.keep),
        seed=recipe.seed,
    )
    for side in ("artifact", "teacher"):
        found[side] = {key: one for key, one in found[side].items() if key not in _MEANINGLESS}
    return found


def _score(
    model: Path, rows: Sequence[Row], context: int, out: Path, on_progress: OnProgress
) -> Mapping[str, Any]:
    asked, answered = _sequences(model, rows, context)
    done = comparing.predict(model, asked, out, on_progress)
    found = Predictions.read(out / comparing.PREDICTIONS)
    (out / comparing.PREDICTIONS).unlink()
    np.save(out / "scores.npy", _sums(rows, found, answered), allow_pickle=False)
    return done


def _sequences(model: Path, rows: Sequence[Row], context: int) -> tuple[list[list[int]], list[int]]:
    """Each question with each of its choices, and how many of the tokens belong to the choice."""
    prompts = documents.prompts(model, rows)
    plain = [Row(f"{row.text} {one}") for row in rows if not row.messages for one in row.choices]
    told = [choice for row in rows if row.messages for choice in row.choices]
    # A text and its continuation are tokenized as one; an answer begins after the template's end.
    wholes = iter(documents.prompts(model, plain))
    answers = iter(predicting.tokenize(model, told, special=True))
    asked, answered = [], []
    for row, prompt in zip(rows, prompts, strict=True):
        for _ in row.choices:
            whole = [*prompt, *next(answers)] if row.messages else next(wholes)
            if len(whole) > context:
                raise DataError(
                    f"data.choices: the question '{row.text[:60]}' takes {len(whole):,} tokens "
                    f"and the model reads {context:,}; shorten it."
                )
            asked.append(whole)
            answered.append(len(whole) - _shared(prompt, whole))
    return asked, answered


def _shared(prompt: Sequence[int], whole: Sequence[int]) -> int:
    """How many tokens both begin with; the very first token never belongs to the choice."""
    same = (one == other for one, other in zip(prompt, whole, strict=False))
    return max(1, next((place for place, equal in enumerate(same) if not equal), len(prompt)))


def _sums(rows: Sequence[Row], found: Predictions, answered: Sequence[int]) -> np.ndarray:
    ends = found.lengths.cumsum()
    sums = iter(
        [found.next[end - count : end].sum() for end, count in zip(ends, answered, strict=True)]
    )
    most = max(len(row.choices) for row in rows)
    scores = np.full((len(rows), most), _NOT_THERE, dtype=np.float64)
    for number, row in enumerate(rows):
        for place in range(len(row.choices)):
            scores[number, place] = next(sums)
    return scores

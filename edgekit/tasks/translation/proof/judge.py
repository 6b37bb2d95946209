"""Judges a translator: its translations against the teacher's, on held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit import Model
from edgekit.artifact.folder import Artifact
from edgekit.artifact.specs import TranslationSpec
from edgekit.checkpoint import for_others, frames, published
from edgekit.checkpoint.describe import Description, read_config
from edgekit.data.rows import Row
from edgekit.errors import DataError, RecipeError
from edgekit.export.onnx.seq2seq import output, proof
from edgekit.job.job import Exported, OnProgress, OutputJob, Tokens
from edgekit.job.tokenizer import tokenizer_of
from edgekit.judging import written
from edgekit.judging.judged import Judged
from edgekit.judging.latency import measure
from edgekit.recipe.dataset import Dataset
from edgekit.recipe.recipe import BoundRecipe
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.tokens import TOKENIZER, load_tokenizer
from edgekit.system.digest import sha256_file, sha256_json
from edgekit.tasks.classification.proof import judge as classification
from edgekit.tasks.translation.proof.quality import TranslationMust, changed_rows
from edgekit.tasks.translation.proof.quality import judge as judge_rows
from edgekit.tasks.translation.proof.translating import golden, translations
from edgekit.wording.directions import split

if TYPE_CHECKING:
    from edgekit.job.plan import Plan

VERSION = 1
PACKAGES = {
    **classification.PACKAGES,
    **dict.fromkeys(("sacrebleu", "sentencepiece"), "compress"),
}
TRIAL_ROWS = 8
SAMPLED_TEXTS = 300
LATENCY_TEXTS = 40
_FILE = "translations.json"

measured_shape = classification.measured_shape
teacher_cost, judging_cost = written.teacher_cost, written.judging_cost


def labels(bound: BoundRecipe, description: Description) -> tuple[str, ...]:
    """None: its rows are texts and their translations."""
    folder, names = bound.resolve(bound.recipe.model.base), bound.recipe.directions
    if description.model_type not in frames.TRANSLATORS:
        raise RecipeError(
            f"{bound.place('model')}: {bound.recipe.model.base} is a {description.model_type} "
            f"model, and edgekit translates with {' and '.join(frames.TRANSLATORS)}; give one of "
            "these."
        )
    if (folder / TOKENIZER).is_file():
        ids = load_tokenizer(folder / TOKENIZER).get_vocab(with_added_tokens=True)
    elif description.model_type == "marian":
        ids = published.names(folder)
    else:
        return ()  # whose languages are numbered by transformers, when the checkpoint is read
    if description.model_type == "marian":
        frames.refuse_targets(folder, ids, names)
    for name in names:
        frames.one(folder, ids, name)
    return ()


def tokens(bound: BoundRecipe, dataset: Dataset, *, max_tokens: int) -> Tokens:
    """Of texts; DataError for a row in a direction that the recipe does not name."""
    for row in (*dataset.train, *dataset.validation, *dataset.test):
        if row.language not in bound.recipe.directions:
            said = row.language or "no languages (columns 'from' and 'to')"
            raise DataError(
                f"{row.place}: this row has {said}, and the recipe translates "
                f"{', '.join(bound.recipe.directions)}; mend the row, or name its languages."
            )
    folder = bound.resolve(bound.recipe.model.base)
    if published.is_one(folder, read_config(folder)):
        count = published.counter(folder)
    else:
        tokenizer = load_tokenizer(tokenizer_of(bound))

        def count(text: str) -> int:
            return 2 + len(tokenizer.encode(text, add_special_tokens=False).ids)

    lengths, longest = [], 8
    for rows in (dataset.train, dataset.validation, dataset.test):
        part = rows[:: max(1, len(rows) // SAMPLED_TEXTS)]
        found = [count(row.text) for row in part]
        longest = max(longest, *(min(max_tokens, one) for one in found), 8)
        lengths.append(round(sum(found) * len(rows) / max(1, len(part))))
    train, validation, test = lengths
    return Tokens(train=train, validation=validation, test=test, longest=longest)


def teacher(plan: Plan, job: OutputJob) -> Sequence[str]:
    """The teacher's translations of the test set; it runs as its fp32 export, which is proven equal
    and several times faster."""
    return teacher_of(plan.dataset.test, job)


def teacher_of(rows: Sequence[Row], job: OutputJob) -> Sequence[str]:
    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        return written.write(
            out / _FILE, translations(output.open_fp32(job), job, rows, on_progress)
        )

    return written.read(job.run("teacher-translations", _common(job, rows), make).folder / _FILE)


def judge(plan: Plan, job: OutputJob, exported: Exported, teacher: Sequence[str]) -> Judged:
    """Runs the artifact on the same texts, through the runtime that users have."""
    rows, recipe = plan.dataset.test, plan.bound.recipe
    files = (exported.model, *exported.further)
    tokenizer = job.checkpoint / TOKENIZER
    generation = Generation.from_json(exported.generation)
    inputs = {**_common(job, rows), "model": [sha256_file(path) for path in files]}

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        writer = proof.open_pair(job, exported.model.parent, generation)
        answers = golden(writer, job)
        return {
            **written.write(out / _FILE, translations(writer, job, rows, on_progress)),
            "golden": answers,
        }

    done = job.run("judge-translations", inputs, make)
    found = written.read(done.folder / _FILE)
    spec = TranslationSpec(frames=dict(job.frames), generation=dict(exported.generation))
    must = None if plan.smoke else TranslationMust(**recipe.must.model_dump(exclude_none=True))
    return Judged(
        files={**{path.name: path for path in files}, TOKENIZER: tokenizer},
        golden=done.record["golden"],
        model={
            "files": [path.name for path in files],
            "prefix": "",
            "temperature": 1.0,
            "translation": asdict(spec),
        },
        ram_bytes=classification.ram_bytes(files, tokenizer, detects=True),
        quality={}
        if not rows
        else judge_rows(
            rows, found, teacher=teacher, languages=recipe.languages, must=must, seed=recipe.seed
        ),
        beside=for_others.seq2seq_files(job.checkpoint, max_tokens=job.max_tokens),
        flips=changed_rows(rows, found, teacher),
    )


def latency(artifact: Artifact, rows: Sequence[Row]) -> dict[str, float]:
    """Milliseconds from text to translation, one at a time, on this machine; of the first
    direction's texts. Empty without texts."""
    [first, *_] = artifact.manifest.languages
    own = [row for row in rows if row.language == first]
    source, target = split(first) or ("", "")

    def answer(model: Model, text: str) -> object:
        return model.translate(text, to=target, from_=source)

    return measure(artifact, own, answer, texts=LATENCY_TEXTS)


def _common(job: OutputJob, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "checkpoint": job.checkpoint_digest,
        "max_tokens": job.max_tokens,
        "frames": {name: asdict(frame) for name, frame in job.frames.items()},
        "texts": sha256_json([[row.text, row.language] for row in rows]),
        "version": VERSION,
        "packages": job.packages,
    }

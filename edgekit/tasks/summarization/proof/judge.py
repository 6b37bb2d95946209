"""Judges a summarizer: its summaries against the teacher's and a lead, on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit import Model
from edgekit.artifact.folder import Artifact
from edgekit.artifact.specs import SummaryKind, SummarySpec
from edgekit.checkpoint import for_others
from edgekit.checkpoint.describe import STATIC, Description, describe
from edgekit.data.rows import Row
from edgekit.errors import RecipeError
from edgekit.job.job import Exported, OnProgress, OutputJob
from edgekit.judging import written
from edgekit.judging.judged import Judged
from edgekit.judging.latency import measure
from edgekit.recipe.dataset import Dataset
from edgekit.recipe.recipe import BoundRecipe
from edgekit.runtime.tokens import TOKENIZER
from edgekit.system.digest import sha256_file, sha256_json
from edgekit.tables import Family
from edgekit.tasks.classification.proof import judge as classification
from edgekit.tasks.summarization.proof.judge_extractive import Engine, ExtractiveEngine
from edgekit.tasks.summarization.proof.judge_seq2seq import WritingEngine
from edgekit.tasks.summarization.proof.quality import SummaryMust, changed_rows
from edgekit.tasks.summarization.proof.quality import judge as judge_rows

if TYPE_CHECKING:
    from edgekit.job.plan import Plan

VERSION = 1
PACKAGES = {
    **classification.PACKAGES,
    **dict.fromkeys(("rouge-score", "sacrebleu"), "compress"),
}
TRIAL_ROWS = 8
ENGINES: Mapping[SummaryKind, Engine] = {
    "extractive": ExtractiveEngine(),
    "seq2seq": WritingEngine(),
}
LATENCY_TEXTS = 20
_FILE = "summaries.json"

tokens = classification.tokens
measured_shape = classification.measured_shape
teacher_cost, judging_cost = written.teacher_cost, written.judging_cost


def labels(bound: BoundRecipe, description: Description) -> tuple[str, ...]:
    """None: its rows are texts and their summaries."""
    if description.model_type == STATIC:
        # A static student's vectors are trained for its labels.
        raise RecipeError(
            f"{bound.place('model')}: {bound.recipe.model.base} is a {description.model_type} "
            "model, which can only label texts; give an encoder or an encoder-decoder."
        )
    return ()


def teacher(plan: Plan, job: OutputJob) -> Sequence[str]:
    """The teacher's summaries of the test set, in torch fp32."""
    engine = ENGINES[_engine(job)]
    texts = [row.text for row in plan.dataset.test]
    inputs = {**_common(plan, job), "texts": sha256_json(texts)}
    words = plan.bound.recipe.words

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        return written.write(out / _FILE, engine.teacher(job, texts, words, on_progress))

    return written.read(job.run("teacher-summaries", inputs, make).folder / _FILE)


def judge(plan: Plan, job: OutputJob, exported: Exported, teacher: Sequence[str]) -> Judged:
    """Runs the artifact on the same texts, through the runtime that users have."""
    name = _engine(job)
    engine, dataset, recipe = ENGINES[name], plan.dataset, plan.bound.recipe
    texts = [row.text for row in dataset.test]
    files = (exported.model, *exported.further)
    tokenizer = job.checkpoint / TOKENIZER
    inputs = {
        **_common(plan, job),
        "model": [sha256_file(path) for path in files],
        "texts": sha256_json(texts),
    }

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        made = engine.artifact(job, exported, texts, recipe.words, on_progress)
        return {**written.write(out / _FILE, made.texts), "golden": dict(made.golden)}

    done = job.run("judge-summaries", inputs, make)
    summaries = written.read(done.folder / _FILE)
    spec = SummarySpec(engine=name, words=recipe.words, generation=dict(exported.generation))
    return Judged(
        files={**{path.name: path for path in files}, TOKENIZER: tokenizer},
        golden=done.record["golden"],
        model={
            "files": [path.name for path in files],
            "prefix": job.prefix,
            "temperature": 1.0,
            "summary": asdict(spec),
        },
        ram_bytes=classification.ram_bytes(files, tokenizer, detects=True),
        quality=_quality(plan, dataset, summaries, teacher),
        beside=for_others.seq2seq_files(job.checkpoint, max_tokens=job.max_tokens)
        if name == "seq2seq"
        else {},
        flips=changed_rows(dataset.test, summaries, teacher),
    )


def latency(artifact: Artifact, rows: Sequence[Row]) -> dict[str, float]:
    """Milliseconds from text to summary, one at a time, on this machine; empty without texts."""
    return measure(artifact, rows, Model.summarize, texts=LATENCY_TEXTS)


def _engine(job: OutputJob) -> SummaryKind:
    return "seq2seq" if describe(job.checkpoint).family is Family.SEQ2SEQ else "extractive"


def _common(plan: Plan, job: OutputJob) -> dict[str, Any]:
    return {
        "checkpoint": job.checkpoint_digest,
        "prefix": job.prefix,
        "max_tokens": job.max_tokens,
        "words": plan.bound.recipe.words,
        "version": VERSION,
        "packages": job.packages,
    }


def _quality(
    plan: Plan, dataset: Dataset, summaries: Sequence[str], teacher: Sequence[str]
) -> dict[str, Any]:
    """The judgement on the test set, without its texts; empty if there is no test set."""
    if not dataset.test:
        return {}
    recipe = plan.bound.recipe
    must = None if plan.smoke else SummaryMust(**recipe.must.model_dump(exclude_none=True))
    return judge_rows(
        dataset.test,
        summaries,
        teacher=teacher,
        languages=recipe.languages,
        must=must,
        seed=recipe.seed,
    )

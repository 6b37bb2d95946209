"""Judges a classifier: its answers against the teacher's, calibrated scores and the self-test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit import Model
from edgekit.artifact.folder import Artifact
from edgekit.checkpoint import for_others
from edgekit.checkpoint.describe import Description
from edgekit.data.inputs import Input
from edgekit.data.places import placed
from edgekit.data.rows import Row
from edgekit.data.spread import spread
from edgekit.errors import RecipeError
from edgekit.export.onnx import calibrated
from edgekit.job.cost import Cost
from edgekit.job.job import Exported, OnProgress, OutputJob, Planned, Tokens
from edgekit.job.tokenizer import tokenizer_of
from edgekit.judging.judged import Judged
from edgekit.judging.latency import measure
from edgekit.recipe.dataset import Dataset
from edgekit.recipe.recipe import BoundRecipe
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.scoring import LabelSet, OneLabel, Scoring, untuned
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
from edgekit.system import machine
from edgekit.system.digest import sha256_file, sha256_json
from edgekit.tasks.classification import thresholds
from edgekit.tasks.classification.answer import answer, fit_temperature
from edgekit.tasks.classification.proof import doubt, linear, pairs
from edgekit.tasks.classification.proof.linear import Linear
from edgekit.tasks.classification.proof.quality import Must, Scorings, flip_rows, judge_linear
from edgekit.tasks.classification.proof.quality import judge as judge_rows
from edgekit.tasks.classification.truth import right_answers

if TYPE_CHECKING:
    from edgekit.job.plan import Plan

PACKAGES = dict.fromkeys(
    (
        *("torch", "transformers", "tokenizers", "onnx", "onnxruntime", "numpy", "peft"),
        "scikit-learn",
    ),
    "compress",
)
TRIAL_ROWS = 64
MODEL = "model.onnx"
SAMPLED_TEXTS = 300
LATENCY_TEXTS = 200
GOLDEN_PER_LANGUAGE = 2
# Engines and CPUs round differently; an answer that is further off is another model's.
GOLDEN_TOLERANCE = 0.02
# Memory of a process that answers: the interpreter and the engine; the weights, repacked while the
# file is read; the tokenizer, whose tables hold each token several times. Measured, rounded up.
RAM_BASE_BYTES = 100 * machine.MIB
# Language detection takes this much memory, whatever the model.
RAM_LANGUAGES_BYTES = 90 * machine.MIB
RAM_PER_MODEL_BYTE = 1.8
RAM_PER_TOKENIZER_BYTE = 18


@dataclass(frozen=True, slots=True)
class Answers:
    """Logits of shape (rows, labels) on the validation and the test set."""

    validation: np.ndarray
    test: np.ndarray

    @staticmethod
    def texts(dataset: Dataset) -> list[Input]:
        """The texts to answer, in the order of the rows of `read`'s file."""
        return [row.input for row in (*dataset.validation, *dataset.test)]

    @classmethod
    def read(cls, path: Path, dataset: Dataset) -> Answers:
        logits = np.load(path, allow_pickle=False)
        cut = len(dataset.validation)
        return cls(validation=logits[:cut], test=logits[cut:])

    def divided(self, temperature: float) -> Answers:
        """As a file that divides them in float32 gives them."""
        by = np.float32(temperature)
        return Answers(validation=self.validation / by, test=self.test / by)


def labels(bound: BoundRecipe, description: Description) -> tuple[str, ...] | None:
    """An existing head fixes the labels; a new one takes those of the training rows."""
    if description.strange_head is not None:
        raise RecipeError(
            f"{bound.place('model')}: {bound.recipe.model.base} does not say what it answers: "
            f"{description.strange_head}; if it labels whole texts, write the class that does into "
            "'architectures' of its config.json, such as BertForSequenceClassification, else save "
            "its encoder alone: AutoModel.from_pretrained(folder).save_pretrained(another)."
        )
    if description.labels is None and not any(step.name == "finetune" for step in bound.steps):
        raise RecipeError(
            f"{bound.place('model')}: {bound.recipe.model.base} has no classification head, and no "
            "step trains one; add the step finetune."
        )
    if bound.recipe.data.validation is None and bound.recipe.data.test is None:
        raise RecipeError(
            f"{bound.place('data')}: data has neither 'validation' nor 'test', and the self-test "
            "of an artifact is taken from their rows; add one of them."
        )
    return description.labels


def tokens(bound: BoundRecipe, dataset: Dataset, *, max_tokens: int) -> Tokens:
    encoder = TextTokenizer(tokenizer_of(bound), prefix=bound.recipe.prefix, max_tokens=max_tokens)
    if dataset.pairs:
        pairs.check(bound, dataset, encoder, max_tokens=max_tokens)
    lengths = [
        _lengths(encoder, rows) for rows in (dataset.train, dataset.validation, dataset.test)
    ]
    train, validation, test = (total for _, total in lengths)
    longest = max(itertools.chain(*(part for part, _ in lengths)), default=8)
    return Tokens(train=train, validation=validation, test=test, longest=longest)


def measured_shape(tokens: Tokens, rows: int) -> tuple[int, int]:
    everything = tokens.train + tokens.validation + tokens.test
    return 32, max(1, everything // max(1, rows))


def _lengths(encoder: TextTokenizer, rows: Sequence[Row]) -> tuple[list[int], int]:
    """Window lengths of a sample of the rows, and an estimate of the tokens of all rows."""
    part = rows[:: max(1, len(rows) // SAMPLED_TEXTS)]
    windows = []
    for row in part:
        with placed(row.place):
            windows.append([len(ids) for ids in encoder.windows(row.input)])
    lengths = list(itertools.chain(*windows))
    return lengths, round(sum(lengths) * len(rows) / max(1, len(part)))


def teacher_cost(planned: Planned) -> Cost:
    """The teacher answers the validation and test sets."""
    size, rates = planned.description.fp32_bytes, planned.rates
    count = planned.tokens.test + planned.tokens.validation
    return Cost(
        seconds=count * rates.forward_seconds_per_token,
        peak_bytes=rates.torch_bytes + 2 * size,
        disk_bytes=0,
    )


def judging_cost(planned: Planned) -> Cost:
    """The artifact answers the test set, and so does a linear model, once it is trained."""
    beside = linear.cost(planned)
    answering = planned.tokens.test * planned.rates.forward_seconds_per_token
    return replace(beside, seconds=beside.seconds + answering)


def teacher(plan: Plan, job: OutputJob) -> Answers:
    """The teacher's logits on the validation and the test set, in torch fp32."""
    texts = Answers.texts(plan.dataset)

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        # torch: not needed if all of this is in the store.
        from edgekit.training import predict

        logits = predict.logits(
            job.checkpoint,
            texts,
            prefix=job.prefix,
            max_tokens=job.max_tokens,
            on_progress=on_progress,
        )
        np.save(out / "logits.npy", logits, allow_pickle=False)
        return {"rows": len(texts)}

    done = job.run("teacher", {**_common(job), "texts": sha256_json(texts)}, make)
    return Answers.read(done.folder / "logits.npy", plan.dataset)


def judge(plan: Plan, job: OutputJob, exported: Exported, teacher: Answers) -> Judged:
    """Runs the artifact on the same texts, through the runtime that users have."""
    exact = _artifact_answers(plan, job, exported.model)
    tokenizer, dataset = job.checkpoint / TOKENIZER, plan.dataset
    model, answers, scorings = _calibrated(
        job, exported.model, exact, _scorings(dataset, exact, teacher)
    )
    scoring = scorings.artifact
    beside = linear.stored(job, dataset) if dataset.test else None
    asked = plan.bound.recipe.abstain_below
    unsure = doubt.unsure_below(dataset, answers.validation, answers.test, scoring, asked=asked)
    strange = doubt.like_nothing_taught(job, dataset)
    quality = _quality(plan, answers, teacher, scorings, beside=beside)
    return Judged(
        files={MODEL: model, TOKENIZER: tokenizer, **strange.files},
        beside=for_others.encoder_files(job.checkpoint, dataset.labels, max_tokens=job.max_tokens),
        golden=_golden(dataset, answers, scoring),
        model={
            "prefix": job.prefix,
            **({"pairs": True} if dataset.pairs else {}),
            # The file divides by it.
            "temperature": 1.0,
            **_thresholds(scorings, len(dataset.validation)),
            **unsure.model,
            **strange.model,
        },
        ram_bytes=ram_bytes([model], tokenizer),
        # Without a test set nothing was judged.
        quality=quality and {**quality, **unsure.quality, **strange.quality},
        measured={} if beside is None else {"linear": {"text_ms": beside.text_ms}},
        flips=flip_rows(
            dataset.test,
            answers.test,
            dataset.labels,
            teacher_logits=teacher.test,
            scorings=scorings,
        )
        if dataset.test
        else (),
    )


def ram_bytes(models: Sequence[Path], tokenizer: Path, *, detects: bool = False) -> int:
    """Memory of a process that answers, and that `detects` languages."""
    return round(
        RAM_BASE_BYTES
        + (RAM_LANGUAGES_BYTES if detects else 0)
        + RAM_PER_MODEL_BYTE * sum(path.stat().st_size for path in models)
        + RAM_PER_TOKENIZER_BYTE * tokenizer.stat().st_size
    )


def latency(artifact: Artifact, rows: Sequence[Row]) -> dict[str, float]:
    """Milliseconds from text to answer, one at a time, on this machine; empty without texts."""
    return measure(artifact, rows, Model.classify, texts=LATENCY_TEXTS)


def _common(job: OutputJob) -> dict[str, Any]:
    return {
        "checkpoint": job.checkpoint_digest,
        "prefix": job.prefix,
        "max_tokens": job.max_tokens,
        "packages": job.packages,
    }


def _artifact_answers(plan: Plan, job: OutputJob, model: Path) -> Answers:
    texts = Answers.texts(plan.dataset)

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        logits = _run_texts(job, model, texts, on_progress)
        np.save(out / "logits.npy", logits, allow_pickle=False)
        return {"rows": len(texts)}

    inputs = {**_common(job), "model": sha256_file(model), "texts": sha256_json(texts)}
    done = job.run("judge", inputs, make)
    return Answers.read(done.folder / "logits.npy", plan.dataset)


def _run_texts(
    job: OutputJob, model: Path, texts: Sequence[Input], on_progress: Callable[[float], None]
) -> np.ndarray:
    """The logits that an artifact of this model will give, float32, shape (texts, labels)."""
    encoder = TextTokenizer(
        job.checkpoint / TOKENIZER, prefix=job.prefix, max_tokens=job.max_tokens
    )
    found = []
    with OnnxClassifier(model.read_bytes, encoder) as engine:
        for number, (logits, _) in enumerate(engine.map(texts)):
            found.append(logits)
            on_progress((number + 1) / len(texts))
    return np.stack(found).astype(np.float32)


def _scorings(dataset: Dataset, answers: Answers, teacher: Answers) -> Scorings:
    """How each side's logits become answers: tuned on the validation rows, if there are any."""
    count, rows = len(dataset.labels), dataset.validation
    if not rows:
        plain = untuned(count, several=dataset.several)
        return Scorings(plain, plain)
    truth = right_answers(rows, dataset.labels, several=dataset.several)
    if dataset.several:
        # The teacher's thresholds, too: else the artifact would keep more than was compressed.
        fitted = (thresholds.fit(side.validation, truth) for side in (answers, teacher))
        return Scorings(*fitted)
    return Scorings(OneLabel(fit_temperature(answers.validation, truth)))


def _calibrated(
    job: OutputJob, model: Path, answers: Answers, scorings: Scorings
) -> tuple[Path, Answers, Scorings]:
    """The file that divides its logits by the temperature, what it answers, and how it is read:
    the same scores, also for other programs."""
    scoring = scorings.artifact
    if not isinstance(scoring, OneLabel) or scoring.temperature == 1:
        return model, answers, scorings
    temperature = scoring.temperature

    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        calibrated.divide(model, out / MODEL, temperature)
        return {"temperature": temperature}

    inputs = {"model": sha256_file(model), "temperature": temperature, "packages": job.packages}
    done = job.run("onnx-calibrate", inputs, make)
    return done.folder / MODEL, answers.divided(temperature), replace(scorings, artifact=OneLabel())


def _thresholds(scorings: Scorings, rows: int) -> dict[str, Any]:
    """Those of a text that may have several labels, for the manifest's `model`."""
    artifact, teacher = scorings.artifact, scorings.teacher
    if not isinstance(artifact, LabelSet) or not isinstance(teacher, LabelSet):
        return {}
    found = {"labels": artifact.thresholds, "teacher": teacher.thresholds, "rows": rows}
    return {"thresholds": found}


def _golden(dataset: Dataset, answers: Answers, scoring: Scoring) -> dict[str, Any]:
    """The self-test: inputs of every language that the model is sure of, and its answers."""
    rows, logits = (
        (dataset.validation, answers.validation)
        if dataset.validation
        else (dataset.test, answers.test)
    )
    margins = scoring.margins(logits)
    number = {id(row): index for index, row in enumerate(rows)}
    clear = [row for row in rows if margins[number[id(row)]] > 2 * GOLDEN_TOLERANCE]
    # Even a model that is sure of nothing has answers that must be reproduced.
    chosen = spread(clear or rows, GOLDEN_PER_LANGUAGE)
    places = [number[id(row)] for row in chosen]
    probabilities = scoring.probabilities(logits)
    return {
        "inputs": [row.input for row in chosen],
        "answers": [
            {
                "label": answer(logits[place], dataset.labels, scoring=scoring).label,
                "scores": {
                    label: round(float(score), 6)
                    for label, score in zip(dataset.labels, probabilities[place], strict=True)
                },
            }
            for place in places
        ],
        "tolerance": GOLDEN_TOLERANCE,
    }


def _quality(
    plan: Plan, answers: Answers, teacher: Answers, scorings: Scorings, *, beside: Linear | None
) -> dict[str, Any]:
    """The judgement on the test set, without its texts; empty if there is no test set."""
    dataset, recipe = plan.dataset, plan.bound.recipe
    if not dataset.test:
        return {}
    must = None if plan.smoke else Must(**recipe.must.model_dump(exclude_none=True))
    judged = judge_rows(
        dataset.test,
        answers.test,
        dataset.labels,
        teacher_logits=teacher.test,
        languages=recipe.languages,
        must=must,
        scorings=scorings,
        seed=recipe.seed,
    )
    if beside is None:
        return {**judged, "linear": {"rows": 0}}
    against = judge_linear(
        dataset.test,
        answers.test,
        dataset.labels,
        linear_logits=beside.logits,
        languages=recipe.languages,
        metric=judged["metric"],
        scoring=scorings.artifact,
        seed=recipe.seed,
    )
    return {
        **judged,
        "linear": {"rows": beside.rows, "size_bytes": beside.size_bytes, **against},
    }

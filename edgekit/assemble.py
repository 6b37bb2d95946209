"""Puts an artifact's folder together: model, tokenizer, golden answers, card, licence, manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import artifact as artifacts
from edgekit import card, machine
from edgekit.artifact import Artifact
from edgekit.compress import licences, step_module
from edgekit.compress.checkpoint import describe
from edgekit.data import Dataset
from edgekit.disk import replacing
from edgekit.evaluate import Must, judge
from edgekit.export.onnx import spread
from edgekit.job import Exported
from edgekit.plan import Plan
from edgekit.recipe import Entry
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.text import TextEncoder
from edgekit.tasks.classification import fit_temperature, softmax

GOLDEN_PER_LANGUAGE = 2
# Engines and CPUs round differently; an answer that is off by more is another model's.
GOLDEN_TOLERANCE = 0.02
# Memory of a process that answers: the interpreter and the engine; the weights, packed anew while
# the file is read; the tokenizer, whose tables hold each piece several times. Measured, rounded up.
RAM_BASE_BYTES = 100 * machine.MIB
RAM_PER_MODEL_BYTE = 1.8
RAM_PER_TOKENIZER_BYTE = 18


@dataclass(frozen=True, slots=True)
class Answers:
    """Logits of shape (rows, labels) on the validation and the test set."""

    validation: np.ndarray
    test: np.ndarray

    @staticmethod
    def texts(dataset: Dataset) -> list[str]:
        """The texts that are answered, in the order of the rows of `read`'s file."""
        return [row.text for row in (*dataset.validation, *dataset.test)]

    @classmethod
    def read(cls, path: Path, dataset: Dataset) -> Answers:
        logits = np.load(path, allow_pickle=False)
        cut = len(dataset.validation)
        return cls(validation=logits[:cut], test=logits[cut:])


def run_texts(
    model: Path,
    tokenizer: Path,
    texts: Sequence[str],
    *,
    plan: Plan,
    on_progress: Callable[[float], None],
) -> np.ndarray:
    """The logits that an artifact of this model will give, float32, shape (texts, labels)."""
    encoder = TextEncoder(tokenizer, prefix=plan.bound.recipe.prefix, max_tokens=plan.max_tokens)
    found = []
    with OnnxClassifier(model.read_bytes, encoder) as engine:
        for number, (logits, _) in enumerate(engine.map(texts)):
            found.append(logits)
            on_progress((number + 1) / len(texts))
    return np.stack(found).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Made:
    """What the steps and the export left, and how."""

    checkpoint: Path
    exported: Exported
    steps: Sequence[Mapping[str, Any]]
    lock: Mapping[str, Any]
    """Versions, digests and seed: what it takes to make the same bytes again."""


def artifact(
    plan: Plan, entry: Entry, made: Made, *, folder: Path, answers: Answers, teacher: Answers
) -> Artifact:
    """Writes the artifact beside its place and moves it there when it is whole and on the disk."""
    with replacing(folder) as partial:
        shutil.copyfile(made.exported.model, partial / "model.onnx")
        shutil.copyfile(made.checkpoint / "tokenizer.json", partial / "tokenizer.json")
        temperature = _temperature(plan.dataset, answers)
        _write_json(partial / "golden.json", _golden(plan.dataset, answers, temperature))
        fields = _fields(plan, entry, made, name=folder.name)
        fields["model"]["temperature"] = temperature
        fields["steps"] = [*made.steps, _output_step(entry, made.exported)]
        fields["lock"] = dict(made.lock)
        fields["quality"] = _quality(plan, answers, teacher, temperature)
        (partial / "LICENSE").write_text(_licence(_sources(plan)), encoding="utf-8")
        (partial / "MODEL_CARD.md").write_text(card.text(fields), encoding="utf-8")
        fields["needs"]["ram_bytes"] = round(
            RAM_BASE_BYTES
            + RAM_PER_MODEL_BYTE * (partial / "model.onnx").stat().st_size
            + RAM_PER_TOKENIZER_BYTE * (partial / "tokenizer.json").stat().st_size
        )
        artifacts.write(partial, fields)
    return artifacts.read(folder)


def _temperature(dataset: Dataset, answers: Answers) -> float:
    """What the logits are divided by so that scores are honest; 1 where that does not help."""
    if not dataset.validation:
        return 1.0
    return fit_temperature(answers.validation, np.array(dataset.numbers(dataset.validation)))


def _golden(dataset: Dataset, answers: Answers, temperature: float) -> dict[str, Any]:
    """Inputs of every language that the model is sure of, and its answers: the self-test."""
    rows, logits = (
        (dataset.validation, answers.validation)
        if dataset.validation
        else (dataset.test, answers.test)
    )
    scores = softmax(logits, temperature)
    second, best = np.sort(scores, axis=1)[:, -2:].T
    number = {id(row): index for index, row in enumerate(rows)}
    clear = [row for row in rows if (best - second)[number[id(row)]] > 2 * GOLDEN_TOLERANCE]
    # A model that is sure of nothing still has answers that must come out again.
    chosen = spread(clear or rows, GOLDEN_PER_LANGUAGE)
    return {
        "inputs": [row.text for row in chosen],
        "answers": [
            {
                "label": dataset.labels[int(scores[number[id(row)]].argmax())],
                "scores": {
                    label: round(float(score), 6)
                    for label, score in zip(dataset.labels, scores[number[id(row)]], strict=True)
                },
            }
            for row in chosen
        ],
        "tolerance": GOLDEN_TOLERANCE,
    }


def _fields(plan: Plan, entry: Entry, made: Made, *, name: str) -> dict[str, Any]:
    recipe, description = plan.bound.recipe, describe(made.checkpoint)
    origins = [licences.origin(folder) for folder in _sources(plan)]
    return {
        "name": name,
        "task": recipe.task,
        "languages": list(recipe.languages),
        "labels": list(plan.dataset.labels),
        "model": {
            "format": entry.name,
            "files": ["model.onnx"],
            "quantization": made.exported.quantization,
            "parameters": description.parameters,
            "max_tokens": plan.max_tokens,
            "prefix": recipe.prefix,
            "abstain_below": recipe.abstain_below,
        },
        "needs": {"cpu": recipe.target.cpu or "any"},
        "recipe": portable(plan.bound.document),
        # An expression of SPDX: the terms of all of them hold.
        "licence": " AND ".join(dict.fromkeys(origin.licence for origin in origins)),
        "parents": [origin.as_json() for origin in origins],
    }


def _output_step(entry: Entry, exported: Exported) -> dict[str, Any]:
    settings = entry.settings.model_dump(mode="json")
    return {"step": entry.name, "settings": settings, "before": {}, "after": exported.record}


def _quality(plan: Plan, answers: Answers, teacher: Answers, temperature: float) -> dict[str, Any]:
    """The judgement of the test set, without its texts; empty where there is no test set."""
    if not plan.dataset.test:
        return {}
    recipe = plan.bound.recipe
    wanted = recipe.must
    must = None if plan.smoke else Must(wanted.metric, wanted.keep, wanted.worst_language)
    return judge(
        plan.dataset.test,
        answers.test,
        plan.dataset.labels,
        teacher_logits=teacher.test,
        languages=recipe.languages,
        must=must,
        temperature=temperature,
        seed=recipe.seed,
    )


def portable(value: Any) -> Any:
    """A recipe without absolute paths: they tell of a machine, and mean nothing on another."""
    if isinstance(value, Mapping):
        return {key: portable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [portable(part) for part in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def _sources(plan: Plan) -> list[Path]:
    """The checkpoints that the artifact's weights come from: the model, and students."""
    named = [
        plan.bound.resolve(name)
        for entry in plan.bound.steps
        for name in step_module(entry.name).files(entry.settings)
    ]
    return [plan.model, *(path for path in named if (path / "config.json").is_file())]


def _licence(folders: Sequence[Path]) -> str:
    """The texts of all licences; a sentence for a checkpoint that brings none along."""
    texts = []
    for folder in folders:
        found, origin = licences.files(folder), licences.origin(folder)
        texts += [path.read_text(encoding="utf-8", errors="replace") for path in found] or [
            f"The licence of weights that come from {origin.name} is that of this checkpoint: "
            f"{origin.licence}. Its folder holds no licence text.\n"
        ]
    return "\n\n".join(dict.fromkeys(texts))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

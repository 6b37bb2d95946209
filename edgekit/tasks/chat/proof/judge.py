"""Judges a language model: its predictions of held-out texts against its parent's; its self-test.

The parent is the teacher as an f16 GGUF, proven equal to the checkpoint; comparing.py says how they
are compared, even if a step has trimmed the vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.artifact.folder import Artifact
from edgekit.artifact.specs import ChatSpec
from edgekit.checkpoint.describe import Description, describe
from edgekit.data.rows import Message, Row
from edgekit.data.spread import spread
from edgekit.errors import DataError
from edgekit.export.gguf import documents, greedy
from edgekit.export.gguf.documents import Documents
from edgekit.job.cost import Cost
from edgekit.job.job import Exported, OnProgress, OutputJob, Planned, Tokens
from edgekit.job.tokenizer import tokenizer_of
from edgekit.judging.judged import Judged
from edgekit.recipe.dataset import Dataset
from edgekit.recipe.recipe import BoundRecipe
from edgekit.runtime import memory
from edgekit.runtime.tokens import TextTokenizer
from edgekit.store.store import Finished
from edgekit.system import machine
from edgekit.system.digest import sha256_file, sha256_json
from edgekit.tables import format_module
from edgekit.tasks.chat.proof import comparing, modelfile, questions
from edgekit.tasks.chat.proof.quality import ChatMust
from edgekit.tasks.chat.proof.quality import judge as judge_rows
from edgekit.tasks.quality import VERDICTS

if TYPE_CHECKING:
    from edgekit.job.plan import Plan

VERSION = 1
# The worse of two verdicts is that of both.
PACKAGES = {
    **dict.fromkeys(("torch", "transformers", "tokenizers", "numpy", "peft"), "compress"),
    **dict.fromkeys(("gguf", "llama-cpp-python", "jinja2"), "gguf"),
}
TRIAL_ROWS = 8
MODEL = "model.gguf"
WINDOW = 512
"""Window in tokens when judging; longer texts take several windows."""
SAMPLED_ROWS = 300
_ONE_WINDOW = 1 << 30
GOLDEN_PROMPTS = 8
GOLDEN_TOKENS = 16
GOLDEN_PROMPT_CHARACTERS = 300
# CPUs round differently, above all activations that are quantized on the fly; a token that leads by
# more than this leads everywhere.
CLEAR_MARGIN = 0.5
# llama.cpp runs a 16-bit file about this much faster than torch computes in 32 bits.
FASTER_THAN_TORCH = 2.0


@dataclass(frozen=True, slots=True)
class Parent:
    """The teacher in 16 bits, and its predictions of the test set."""

    half: Finished
    documents: Documents | None
    """None if there is no test set."""
    predictions: Path
    digest: str
    scores: np.ndarray | None = None
    """Log-probabilities of the questions' choices; None if there are no questions."""
    window: int = WINDOW

    def compared(self, rows: Sequence[Row]) -> comparing.Parent | None:
        """What a model is compared with; None if there is no test set."""
        if self.documents is None:
            return None
        model = self.half.folder / MODEL
        return comparing.Parent(model, rows, self.documents, self.predictions, self.window)


def labels(bound: BoundRecipe, description: Description) -> tuple[str, ...]:
    """None: its rows are texts and conversations."""
    return ()


def tokens(bound: BoundRecipe, dataset: Dataset, *, max_tokens: int) -> Tokens:
    """Raises DataError if there are no texts except those that judge."""
    if not (dataset.train or dataset.validation or dataset.unlabeled):
        raise DataError(
            f"{bound.place('data')}: data names neither 'train' nor 'validation' nor 'unlabeled', "
            "and the export is proven on texts that do not judge; add some."
        )
    encoder = TextTokenizer(tokenizer_of(bound), max_tokens=_ONE_WINDOW)
    sets = (dataset.train, dataset.validation, dataset.test)
    train, validation, test = (_count(encoder, rows) for rows in sets)
    return Tokens(train=train, validation=validation, test=test, longest=min(WINDOW, max_tokens))


def measured_shape(tokens: Tokens, rows: int) -> tuple[int, int]:
    return 1, 128


def _count(encoder: TextTokenizer, rows: Sequence[Row]) -> int:
    part = rows[:: max(1, len(rows) // SAMPLED_ROWS)]
    found = sum(len(ids) for row in part for ids in encoder.windows(row.text))
    return round(found * len(rows) / max(1, len(part)))


def teacher_cost(planned: Planned) -> Cost:
    """The teacher is written in 16 bits, compared with torch, and predicts the test set."""
    rates, description = planned.rates, planned.description
    half = description.fp32_bytes // 2
    return Cost(
        seconds=2 * half * rates.write_seconds_per_byte + judging_cost(planned).seconds,
        # Both files are memory-mapped; torch holds one layer and the embeddings in 32 bits.
        peak_bytes=rates.torch_bytes
        + description.weights_bytes
        + half
        + 8 * description.embedding_parameters,
        disk_bytes=half,
    )


def judging_cost(planned: Planned) -> Cost:
    rates, description = planned.rates, planned.description
    seconds = planned.tokens.test * rates.forward_seconds_per_token * description.head_share
    return Cost(seconds=seconds / FASTER_THAN_TORCH, peak_bytes=0, disk_bytes=0)


def teacher(plan: Plan, job: OutputJob) -> Parent:
    """The f16 GGUF of the teacher, and its predictions of the test set."""
    half = format_module("gguf").half(job)
    rows, asked = plan.dataset.test, plan.dataset.choices
    scores = None
    if asked:
        scores = questions.scores("teacher-questions", half.folder / MODEL, half.digest, asked, job)
    if not rows:
        return Parent(half, None, half.folder, half.digest, scores, _window(job))
    inputs = {
        "model": half.digest,
        "rows": sha256_json([[row.text, list(row.messages)] for row in rows]),
        "window": _window(job),
        "version": VERSION,
        "packages": job.packages,
    }
    done = job.run("teacher", inputs, partial(_predict_rows, half.folder / MODEL, rows, job))
    found = json.loads((done.folder / "documents.json").read_text("utf-8"))
    predictions = done.folder / comparing.PREDICTIONS
    return Parent(half, Documents(**found), predictions, done.digest, scores, _window(job))


def _window(job: OutputJob) -> int:
    return min(WINDOW, job.max_tokens)


def _predict_rows(
    model: Path, rows: Sequence[Row], job: OutputJob, out: Path, on_progress: OnProgress
) -> Mapping[str, Any]:
    found = documents.read(model, rows, window=_window(job))
    (out / "documents.json").write_text(json.dumps(asdict(found)), encoding="utf-8")
    done = comparing.predict(model, found.tokens, out, on_progress)
    return {"tokens": found.count, "windows": len(found.tokens), **done}


def judge(plan: Plan, job: OutputJob, exported: Exported, teacher: Parent) -> Judged:
    """Runs the artifact's file on the parent's tokens, and records its golden answers."""
    prompts = _prompts(job, has_template=bool(teacher.half.record.get("chat")))
    digest = sha256_file(exported.model)
    inputs = {
        "model": digest,
        "teacher": teacher.digest,
        "prompts": prompts,
        "version": VERSION,
        "packages": job.packages,
    }
    parent = teacher.compared(plan.dataset.test)
    done = job.run("judge", inputs, partial(_judge, exported.model, prompts, parent))
    quality = _quality(plan, parent, done.folder)
    if teacher.scores is not None:
        scores = questions.scores(
            "judge-questions", exported.model, digest, plan.dataset.choices, job
        )
        asked = questions.quality(plan, plan.dataset.choices, scores, teacher.scores)
        quality = with_questions(quality, asked)
    spec = _chat_spec(exported.record, describe(job.checkpoint))
    return Judged(
        files={MODEL: exported.model},
        golden=done.record["golden"],
        model={"prefix": "", "temperature": 1.0, "chat": asdict(spec)},
        ram_bytes=memory.chat_bytes(
            spec,
            weights=exported.model.stat().st_size,
            tokens=min(memory.CONTEXT, plan.max_tokens),
        ),
        quality=quality,
        beside={modelfile.NAME: modelfile.text(MODEL, job.checkpoint, exported.record)},
    )


def latency(artifact: Artifact, rows: Sequence[Row]) -> dict[str, float]:
    """Empty: an answer takes as long as it is long; `edgekit bench` measures tokens a second."""
    return {}


def _judge(
    model: Path,
    prompts: Sequence[Sequence[Message] | str],
    parent: comparing.Parent | None,
    out: Path,
    on_progress: OnProgress,
) -> Mapping[str, Any]:
    done = {} if parent is None else comparing.read(model, parent, out, on_progress)
    return {"golden": _golden(model, prompts), **done}


def _prompts(job: OutputJob, *, has_template: bool) -> list[list[Message] | str]:
    """The beginnings of a few rows of every language: first turns, or texts to continue."""
    rows = spread(job.rows, GOLDEN_PROMPTS, total=True)
    texts = []
    for row in rows:
        asked = (turn["content"] for turn in row.messages if turn["role"] == "user")
        texts.append(next(asked, row.text)[:GOLDEN_PROMPT_CHARACTERS])
    if not has_template:
        return list(texts)
    return [[{"role": "user", "content": text}] for text in texts]


def _golden(model: Path, prompts: Sequence[Sequence[Message] | str]) -> dict[str, Any]:
    """The tokens that lead clearly, up to the first that does not."""
    found = greedy.answers(model, prompts, count=GOLDEN_TOKENS, threads=machine.cores())
    clear = [(prompt, _clear(one)) for prompt, one in zip(prompts, found, strict=True)]
    sure = [(prompt, tokens) for prompt, tokens in clear if tokens]
    if not sure:
        # Even a model that is sure of nothing has an answer that must be reproduced.
        best = max(range(len(found)), key=lambda number: found[number].margins[:1])
        sure = [(prompts[best], list(found[best].tokens[:1]))]
    return {
        "inputs": [prompt for prompt, _ in sure],
        "answers": [{"tokens": tokens} for _, tokens in sure],
    }


def _clear(found: greedy.Continued) -> list[int]:
    unclear = (place for place, margin in enumerate(found.margins) if margin < CLEAR_MARGIN)
    return list(found.tokens[: next(unclear, len(found.tokens))])


def _chat_spec(record: Mapping[str, Any], description: Description) -> ChatSpec:
    """From the record of the artifact's own export: it may have fewer layers than its teacher."""
    return ChatSpec(
        template_sha256=(record.get("chat") or {}).get("template_sha256", ""),
        context=record["context"],
        kv_bytes_per_token=record["kv_bytes_per_token"],
        vocabulary=description.vocabulary,
    )


def _quality(plan: Plan, parent: comparing.Parent | None, read: Path) -> dict[str, Any]:
    """The judgement on the test set, without its texts; empty if there is no test set."""
    if parent is None:
        return {}
    recipe = plan.bound.recipe
    wanted = recipe.must
    must = None if plan.smoke else ChatMust(
        wanted.kld, wanted.top1, wanted.ppl_ratio, wanted.worst_language_kld
    )  # fmt: skip
    found, said = comparing.compare(parent, read, languages=recipe.languages)
    quality = judge_rows(
        parent.rows,
        found,
        parent.row_of,
        languages=recipe.languages,
        must=must,
        seed=recipe.seed,
    )
    return {**quality, **said}


def with_questions(quality: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Both judgements in one; the worse verdict counts."""
    verdicts = [one.get("verdict") for one in (quality, asked)]
    verdict = next((one for one in VERDICTS if one in verdicts), None)
    if asked["verdict"] is None:
        return {**quality, "questions": dict(asked)}
    sentences = [quality["why"]] if quality.get("verdict") else []
    why = " ".join([*sentences, f"Asked questions: {asked['why']}"])
    return {**quality, "questions": dict(asked), "verdict": verdict, "why": why}

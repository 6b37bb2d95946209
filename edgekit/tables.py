"""What there is of each kind, by name: strings, imported on use. Importing this imports nothing."""

from __future__ import annotations

import importlib
from types import ModuleType

STEPS = {
    "distill": "edgekit.steps.distill.encoder.plan",
    "finetune": "edgekit.steps.finetune.encoder.plan",
    "prune": "edgekit.steps.prune.encoder.plan",
    "trim_vocab": "edgekit.steps.trim_vocab.plan",
}
CHAT_STEPS = {
    "distill": "edgekit.steps.distill.decoder.plan",
    "finetune": "edgekit.steps.finetune.decoder.plan",
    "prune": "edgekit.steps.prune.decoder.plan",
    "trim_vocab": "edgekit.steps.trim_vocab.plan",
}
# For models that choose sentences of a text, or write it anew.
SUMMARIZATION_STEPS = {
    "distill": "edgekit.steps.distill.encoder.plan",
    "finetune": "edgekit.steps.finetune.encoder.plan",
    "prune": "edgekit.steps.prune.seq2seq.plan",
    "trim_vocab": "edgekit.steps.trim_vocab.plan",
}
# The steps that each task has.
STEPS_OF_TASK = {
    "classification": STEPS,
    "chat": CHAT_STEPS,
    "summarization": SUMMARIZATION_STEPS,
}

# Steps that make a model smaller: the checkpoint that enters the first of them is the teacher.
SHRINKING = frozenset({"trim_vocab", "distill", "prune"})
# Steps whose training several processes can share.
SHARED = frozenset({"distill", "finetune"})

FORMATS = {
    "gguf": "edgekit.export.gguf.output",
    "onnx": "edgekit.export.onnx.classifier",
}
# The formats that can hold a model of each task.
FORMATS_OF_TASK = {
    "chat": frozenset({"gguf"}),
    "classification": frozenset({"onnx"}),
    "summarization": frozenset({"onnx"}),
}

TASKS = {
    "chat": "edgekit.tasks.chat",
    "classification": "edgekit.tasks.classification",
    "summarization": "edgekit.tasks.summarization",
}

JUDGES = {
    "chat": "edgekit.tasks.chat.proof.judge",
    "classification": "edgekit.tasks.classification.proof.judge",
    "summarization": "edgekit.tasks.summarization.proof.judge",
}

BACKENDS = {
    "onnx/classification": "edgekit.runtime.onnx:open_classifier",
    "onnx/summarization": "edgekit.tasks.summarization.opening:open_summarizer",
    "gguf/chat": "edgekit.runtime.gguf.engine:open_chat",
}
"""`format/task` of an artifact to `open(artifact, files, asked) -> Engine`."""

ISOLATED = frozenset({"gguf"})
"""Formats whose engine ends its process where a file is bad: they run in a worker, always."""

SAMPLES = {
    "home-intents": "edgekit.samples.home_intents:make",
    "package-summaries": "edgekit.samples.package_summaries:make",
    "smollm2": "edgekit.samples.smollm2:make",
    "spam": "edgekit.samples.spam:make",
}


def step_module(name: str, task: str) -> ModuleType:
    return importlib.import_module(STEPS_OF_TASK[task][name])


def format_module(name: str) -> ModuleType:
    return importlib.import_module(FORMATS[name])


def task_part(task: str, part: str) -> ModuleType:
    return importlib.import_module(f"{TASKS[task]}.{part}")


def task_module(name: str) -> ModuleType:
    return importlib.import_module(JUDGES[name])

"""Every extension point as a table of strings, imported on use. Importing this imports nothing."""

from __future__ import annotations

import importlib
from enum import StrEnum
from types import ModuleType
from typing import Any

from edgekit.errors import UnsupportedTask


class Family(StrEnum):
    """The architecture of a checkpoint; decides how it is loaded, trained, cut and exported."""

    ENCODER = "encoder"
    DECODER = "decoder"
    SEQ2SEQ = "seq2seq"


TASKS = {
    "classification": "edgekit.tasks.classification",
    "chat": "edgekit.tasks.chat",
    "summarization": "edgekit.tasks.summarization",
    "translation": "edgekit.tasks.translation",
}
"""The tasks: each a package with a task.py and the other modules that CONTRIBUTING.md lists."""

STEPS: dict[str, dict[Family, str]] = {
    "distill": {
        Family.ENCODER: "edgekit.steps.distill.encoder",
        Family.DECODER: "edgekit.steps.distill.decoder",
        Family.SEQ2SEQ: "edgekit.steps.distill.seq2seq",
    },
    "finetune": {
        Family.ENCODER: "edgekit.steps.finetune.encoder",
        Family.DECODER: "edgekit.steps.finetune.decoder",
        Family.SEQ2SEQ: "edgekit.steps.finetune.seq2seq",
    },
    "prune": {
        Family.ENCODER: "edgekit.steps.prune.encoder",
        Family.DECODER: "edgekit.steps.prune.decoder",
        Family.SEQ2SEQ: "edgekit.steps.prune.seq2seq",
    },
    "trim_vocab": dict.fromkeys(Family, "edgekit.steps.trim_vocab"),
}
"""The steps of a recipe, by the checkpoint's family: each a package with plan.py and run.py."""
# Steps that make a model smaller: the checkpoint that enters the first of them is the teacher.
SHRINKING = frozenset({"trim_vocab", "distill", "prune"})
# Steps whose training can be shared by several processes.
SHARED = frozenset({"distill", "finetune"})

FORMATS = {
    "gguf": "edgekit.export.gguf.output",
    "onnx": "edgekit.export.onnx.output",
}
"""The formats that an artifact's model file can have."""
HEADS = {
    "embedding": "edgekit.export.onnx.encoder",
    "logits": "edgekit.export.onnx.classifier",
    "summaries": "edgekit.export.onnx.seq2seq.output",
    "translations": "edgekit.export.onnx.seq2seq.output",
}
"""The outputs that an ONNX file of a checkpoint can have; a GGUF file has one kind, `tokens`."""
ISOLATED = frozenset({"gguf"})
"""Formats whose engine aborts its process on a bad file: they always run in a worker."""

ENGINES = {
    "here": "edgekit.distributed.here",
    "ray": "edgekit.distributed.on_ray",
    "dask": "edgekit.distributed.on_dask",
}
"""What does the parts of a large file: this process, or workers here and on other machines."""

SAMPLES = {
    "guide-chapters": "edgekit.samples.guide_chapters:make",
    "home-intents": "edgekit.samples.home_intents:make",
    "package-summaries": "edgekit.samples.package_summaries:make",
    "package-translations": "edgekit.samples.package_translations:make",
    "smollm2": "edgekit.samples.smollm2:make",
    "spam": "edgekit.samples.spam:make",
}
"""Real checkpoints and data to try edgekit with."""

COMMANDS = {
    "sample": ("edgekit.cli.sample", "a real checkpoint, data and recipe, ready for compress"),
    "recipes": ("edgekit.cli.recipes", "list the shipped recipes"),
    "new": (
        "edgekit.cli.new",
        "copy a shipped recipe to edit, or fill one in for a checkpoint and rows",
    ),
    "plan": ("edgekit.cli.plan", "check a recipe and estimate what it will cost; runs nothing"),
    "compress": ("edgekit.cli.compress", "run a recipe"),
    "classify": ("edgekit.cli.classify", "label texts or a whole file with an artifact"),
    "watch": (
        "edgekit.cli.watch",
        "label texts as they come, and give an alarm when rules say so",
    ),
    "summarize": (
        "edgekit.cli.summarize",
        "a summary of a file of any length, and how much of it was read",
    ),
    "translate": (
        "edgekit.cli.translate",
        "a text or a file in another language, line by line",
    ),
    "chat": ("edgekit.cli.chat", "a conversation with a chat artifact"),
    "extract": ("edgekit.cli.extract", "fields of a text by a JSON Schema, with a chat artifact"),
    "serve": ("edgekit.cli.serve", "answer over HTTP, in OpenAI's protocol and ours"),
    "keys": ("edgekit.cli.keys", "make, list and revoke the keys of a server"),
    "evaluate": ("edgekit.cli.evaluate", "quality of an artifact by language and label"),
    "bench": ("edgekit.cli.bench", "speed, memory, cold start and size of an artifact"),
    "probe": ("edgekit.cli.probe", "what this machine can do, as a file for `fit` elsewhere"),
    "fit": ("edgekit.cli.fit", "whether artifacts suit a machine: memory, and the speed to expect"),
    "inspect": ("edgekit.cli.inspect", "what an artifact is and whether it fits in memory here"),
    "verify": ("edgekit.cli.verify", "check every digest and the golden answers of an artifact"),
    "trim": (
        "edgekit.cli.trim",
        "cut pieces out of a GGUF file, and prove by language what is left",
    ),
    "tui": ("edgekit.cli.tui", "the terminal app"),
    "store": ("edgekit.cli.store", "show or clear the store of finished steps"),
    "converter": (
        "edgekit.cli.converter",
        "fetch llama.cpp's converter, for decoders that edgekit does not convert itself",
    ),
    "doctor": (
        "edgekit.cli.doctor",
        "this machine: what it has, what is missing and how to get it",
    ),
    "schema": ("edgekit.cli.schema", "print the JSON Schema of recipes, for editors"),
}
"""The verbs of the command line: the module of each, and its line in `edgekit --help`."""


def task(name: str) -> Any:
    """The tasks.contract.Task of this name; raises UnsupportedTask."""
    return task_part(name, "task").TASK


def task_part(name: str, part: str) -> ModuleType:
    """One module of a task's package, such as `wire` or `proof.judge`; raises UnsupportedTask."""
    if name not in TASKS:
        raise UnsupportedTask(
            f"This edgekit does not know the task '{name}'; pip install --upgrade edgekit"
        )
    return importlib.import_module(f"{TASKS[name]}.{part}")


def steps_of(name: str) -> dict[Family, frozenset[str]]:
    """The steps that a task's checkpoints can take, by their family; raises UnsupportedTask."""
    asked = task(name)
    return {
        family: frozenset(step for step, families in STEPS.items() if family in families)
        - asked.without.get(family, frozenset())
        for family in asked.heads
    }


def step_plan(name: str, family: Family) -> ModuleType:
    """The settings, checks and cost of a step. Imports no torch."""
    return importlib.import_module(f"{STEPS[name][family]}.plan")


def step_run(name: str, family: Family) -> ModuleType:
    """The work of a step."""
    return importlib.import_module(f"{STEPS[name][family]}.run")


def format_module(name: str) -> ModuleType:
    return importlib.import_module(FORMATS[name])


def head_module(name: str) -> ModuleType:
    return importlib.import_module(HEADS[name])

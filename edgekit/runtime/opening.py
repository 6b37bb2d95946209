"""From an artifact on disk to a tested engine: check, then open, then test once. Knows no task."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from edgekit.artifact import verified
from edgekit.artifact.folder import Artifact, verify_for_load
from edgekit.artifact.manifest import SPECS, Manifest
from edgekit.errors import ArtifactError, MissingExtra, UnsupportedTask
from edgekit.runtime import golden, isolated
from edgekit.runtime.engine import Asked, Engine, Probed
from edgekit.runtime.memory import check_memory
from edgekit.runtime.refusals import told
from edgekit.runtime.tokens import TOKENIZER
from edgekit.system import machine
from edgekit.tables import ISOLATED, task

_EXTRAS = {"llama_cpp": ("llama-cpp-python", "gguf"), "jinja2": ("jinja2", "gguf")}
"""Modules that an engine needs and the base install lacks: their packages, and the extras."""


def open_engine(artifact: Artifact, asked: Asked) -> Engine:
    """Opens a model in this process; every byte is checked before it is parsed.

    Runs the golden answers unless they were right before on this kind of CPU with this version of
    the engine.
    """
    engine, answers = _open(artifact, asked)
    try:
        key = f"golden:{artifact.manifest.digest}:{engine.version}:{machine.cpu_name()}"
        if verified.recall(key) is None:
            answers.check(engine, artifact.manifest)
            verified.remember(key, True)
    except BaseException:
        engine.close()
        raise
    return engine


def self_test(artifact: Artifact) -> int:
    """Runs the golden answers, even if they were right before, and returns their number; then the
    longest window and every added token, which no golden answer may have."""
    if artifact.manifest.model.format in ISOLATED:
        return isolated.self_test(artifact)
    return self_test_here(artifact)


def self_test_here(artifact: Artifact) -> int:
    """`self_test` in this process, whatever the format."""
    engine, answers = _open(artifact, Asked())
    try:
        count = answers.check(engine, artifact.manifest)
        _probe(engine, artifact)
        return count
    finally:
        engine.close()


def _probe(engine: Engine, artifact: Artifact) -> None:
    if not isinstance(engine, Probed):
        return  # in a GGUF the tables are as long as the vocabulary, or it does not open
    try:
        engine.probe()
    except ArtifactError as error:
        raise ArtifactError(
            f"{artifact.folder}: the model fails on the longest text that it says it reads, or on "
            f"one of its tokenizer's added tokens ({error}); its tables are smaller than they "
            "should be: resize the embeddings of its checkpoint, or lower max_tokens, and build it "
            "again."
        ) from error


def _open(artifact: Artifact, asked: Asked) -> tuple[Engine, golden.Golden]:
    """An engine, and the golden answers from the checked bytes."""
    manifest = artifact.manifest
    backend = _backend(manifest)
    check_spec(manifest)
    check_memory(artifact, max_ram=asked.max_ram, context=asked.context)
    parsed = {*manifest.model.files, TOKENIZER} if manifest.model.format == "onnx" else set()
    files = verify_for_load(artifact, keep={*parsed, golden.GOLDEN}, once=asked.shared)
    for name in {*parsed, golden.GOLDEN}:
        manifest.file(name)
    answers = golden.read(files.pop(golden.GOLDEN), manifest)  # before anything heavy is opened
    return backend(artifact, files, asked), answers


def check_spec(manifest: Manifest) -> None:
    """Raises ArtifactError if `model` lacks the part that its task needs, or has another's."""
    known = task(manifest.task)
    for name in SPECS:
        there = getattr(manifest.model, name) is not None
        if there != (name == known.spec) and not (there and name in known.may_have):
            raise ArtifactError(
                f"'{manifest.name}': a {manifest.task} artifact must {'' if not there else 'not '}"
                f"have '{name}' in the manifest's model; build it again."
            )
    if manifest.model.pairs and not known.pairs:
        raise ArtifactError(
            f"'{manifest.name}': a {manifest.task} artifact cannot take pairs of texts, and its "
            "manifest says 'pairs'; build it again."
        )


def _backend(manifest: Manifest) -> Callable[..., Engine]:
    engines = task(manifest.task).engines
    if manifest.model.format not in engines:
        raise UnsupportedTask(
            told(
                "format-not-run",
                {"task": manifest.task, "name": manifest.name, "format": manifest.model.format},
            )
        )
    module, _, function = engines[manifest.model.format].partition(":")
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        raise MissingExtra(*_EXTRAS[error.name]) from error
    return cast("Callable[..., Engine]", getattr(imported, function))

"""From an artifact on the disk to an engine that answers: check, then open, then test once."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from edgekit import machine, seen
from edgekit.artifact import Artifact, verify_for_load
from edgekit.errors import ArtifactError, UnsupportedTask
from edgekit.manifest import Manifest
from edgekit.runtime import BACKENDS, golden
from edgekit.runtime.engine import Engine
from edgekit.runtime.memory import check_memory
from edgekit.runtime.text import TOKENIZER


def open_engine(artifact: Artifact, *, threads: int | None, max_ram: str | None) -> Engine:
    """Opens a model in this process; no byte is parsed that was not checked.

    The golden answers are run where they were not yet right on this kind of CPU with this version
    of the engine.
    """
    engine, answers = _open(artifact, threads=threads, max_ram=max_ram)
    try:
        key = f"golden:{artifact.manifest.digest}:{engine.version}:{machine.cpu_name()}"
        if seen.recall(key) is None:
            golden.check(engine, artifact.manifest, answers)
            seen.remember(key, True)
    except BaseException:
        engine.close()
        raise
    return engine


def self_test(artifact: Artifact) -> int:
    """Runs the golden answers, however often they were right; their number."""
    engine, answers = _open(artifact, threads=None, max_ram=None)
    try:
        return golden.check(engine, artifact.manifest, answers)
    finally:
        engine.close()


def _open(
    artifact: Artifact, *, threads: int | None, max_ram: str | None
) -> tuple[Engine, golden.GoldenAnswers]:
    manifest = artifact.manifest
    backend = _backend(manifest)
    if len(manifest.labels) < 2:
        raise ArtifactError(f"{artifact.folder}: a classifier has two labels or more; build again.")
    check_memory(artifact, max_ram=max_ram)
    files = verify_for_load(artifact, keep={*manifest.model.files, TOKENIZER, golden.GOLDEN})
    for name in (TOKENIZER, golden.GOLDEN):
        manifest.file(name)
    answers = golden.parse(files.pop(golden.GOLDEN))
    return backend(artifact, files, threads=threads), answers


def _backend(manifest: Manifest) -> Callable[..., Engine]:
    name = f"{manifest.model.format}/{manifest.task}"
    if name not in BACKENDS:
        raise UnsupportedTask(
            f"This edgekit cannot run the {manifest.task} artifact '{manifest.name}' in the format "
            f"'{manifest.model.format}'; pip install --upgrade edgekit"
        )
    module, _, function = BACKENDS[name].partition(":")
    return cast("Callable[..., Engine]", getattr(importlib.import_module(module), function))

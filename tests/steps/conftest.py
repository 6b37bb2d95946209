"""A teacher, and the job of a step that starts from it; a module may have a teacher of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgekit.job.job import Job, Make
from edgekit.steps.finetune.encoder.run import run as run_finetune
from edgekit.steps.finetune.settings import FinetuneSettings
from edgekit.store.store import Finished, Store
from tests.tiny.job import make_job


@pytest.fixture(scope="session")
def teacher(made_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder with a head, fine-tuned until it knows the tiny texts."""
    folder = tmp_path_factory.mktemp("teacher")
    job = make_job(made_project, made_project / "encoder", folder, run_stored=None)
    run_finetune(FinetuneSettings(epochs=6, batch_size=16, learning_rate=3e-3), job)
    for path in folder.glob("progress"):
        shutil.rmtree(path)
    return folder


@pytest.fixture
def job(made_project: Path, teacher: Path, tmp_path: Path) -> Iterator[Job]:
    with Store(tmp_path / "store") as store:

        def run_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
            return store.run(name, inputs, lambda out: make(out, lambda fraction: None))

        out = tmp_path / "out"
        out.mkdir()
        yield make_job(made_project, teacher, out, run_stored=run_stored)

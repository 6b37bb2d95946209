"""What tests of the whole command share."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.build import plan
from edgekit.recipe import recipe
from edgekit.system import paths
from tests.crash.forked import Ended, Forked, Run
from tests.tiny import encoder as tiny
from tests.tiny import seq2seq as tiny_seq2seq

SMALL_DISK = "64m"
"""Tests of a worker share their cache: a copy of it has room for several builds."""


@pytest.fixture(scope="session")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of `forked` see a small disk, if this system lets them."""
    return tmp_path_factory.mktemp("small-disk")


@pytest.fixture(scope="session")
def forked(small_disk: Path):
    """Runs the command again and again, inside a mount namespace where that is allowed."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    forked = Forked(inside=_inside(small_disk))
    yield forked
    forked.close()


@pytest.fixture(scope="session")
def has_small_disk(small_disk: Path) -> None:
    if not _inside(small_disk):
        pytest.skip("mounting is not allowed here")


def _inside(folder: Path) -> list[str]:
    mount = f'mount -t tmpfs -o size={SMALL_DISK} none "$0" && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
    if shutil.which("unshare") is None:
        return []
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else []


@pytest.fixture(scope="session")
def short_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project, trained for one epoch of 21 iterations, all of which count in the end."""
    text = tiny.RECIPE.replace("epochs: 8", "epochs: 1, batch_size: 8")
    text = text.replace("must: {metric: macro_f1, keep: 0.5}\n", "")
    return tiny.make_project(tmp_path_factory.mktemp("short") / "project", recipe=text)


@pytest.fixture(scope="session")
def rates(short_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds nothing but how fast this machine is: measuring it takes seconds."""
    return measured_rates(short_recipe, tmp_path_factory)


def measured_rates(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        plan.make(recipe.read(path))
        shutil.copy(paths.rates_file(), folder)
    return folder


@pytest.fixture(scope="session")
def fresh_summarizer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run, with an empty store, that has a teacher write summaries and a student learn them."""
    folder = tmp_path_factory.mktemp("summarizer")
    checkpoint = tiny_seq2seq.make_model(folder / "t5", trained=False)
    text = tiny_seq2seq.RECIPE.replace("must: {keep: 0.5}\n", "").replace(
        "outputs:", "steps:\n  - distill: {decoder_layers: 1, epochs: 2, batch_size: 16}\noutputs:"
    )
    made = tiny_seq2seq.make_project(folder / "project", checkpoint, recipe=text)
    for path in (made.parent / "data").iterdir():
        path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:40]), "utf-8")
    return fresh_run(folder, made, measured_rates(made, tmp_path_factory))


def fresh_run(folder: Path, short_recipe: Path, rates: Path) -> Run:
    """A run with an empty store and no output folder, below `folder`."""
    cache, out = str(folder / "cache"), str(folder / "out")
    return Run(
        recipe=str(short_recipe),
        cache=cache,
        out=out,
        remove=(cache, out),
        copy=((str(rates), cache),),
    )


@pytest.fixture
def fresh(tmp_path: Path, short_recipe: Path, rates: Path) -> Run:
    return fresh_run(tmp_path, short_recipe, rates)


@pytest.fixture(scope="session")
def quiet_run(short_recipe: Path, rates: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of `undisturbed`, whose store later runs may use."""
    return fresh_run(tmp_path_factory.mktemp("undisturbed"), short_recipe, rates)


@pytest.fixture(scope="session")
def undisturbed(forked: Forked, quiet_run: Run) -> Ended:
    """How a run ends that nobody disturbs."""
    ended = forked.run(quiet_run)
    assert ended.code == 0, ended.stderr
    return ended

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.build import plan
from edgekit.build.build import compress
from edgekit.recipe import recipe
from tests.tiny import translator as tiny


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """MarianTokenizer recommends a package that it never uses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        yield


@pytest.fixture(scope="session")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is published, with weights by chance."""
    return tiny.make_marian(tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="session")
def translator(marian: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its project, built: an artifact in fp32 that translates into two languages."""
    folder = tmp_path_factory.mktemp("translator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        compress(plan.make(recipe.read(tiny.make_project(folder, marian))))
    return folder

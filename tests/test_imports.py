"""Who may import whom, at run time: what pyproject.toml says of imports, checked again."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "onnx", "optimum", "pydantic", "yaml", "matplotlib", "sklearn")


def imported_by(code: str) -> set[str]:
    """Top-level names in sys.modules after running `code` in a fresh interpreter."""
    probe = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module",
    [
        "edgekit.model",
        "edgekit.runtime.worker",
        "edgekit.tasks.classification.file",
        "edgekit.artifact.folder",
        "edgekit.data.rows",
        "edgekit.tasks.classification.proof.quality",
    ],
)
def test_what_runs_offline_needs_nothing_that_compresses(module: str) -> None:
    assert not imported_by(f"import {module}") & set(HEAVY)


def test_importing_edgekit_imports_next_to_nothing() -> None:
    found = imported_by("import edgekit")
    assert not found & {*HEAVY, "numpy", "onnxruntime", "tokenizers", "rich"}


@pytest.mark.parametrize("command", ["--help", "classify --help", "compress --help", "plan --help"])
def test_help_waits_for_nothing_heavy(command: str) -> None:
    code = (
        "from edgekit.cli import main\n"
        f"try:\n    main({command!r}.split())\nexcept SystemExit:\n    pass"
    )
    assert not imported_by(code) & {*HEAVY, "numpy", "onnxruntime", "tokenizers"}


def test_a_recipe_is_read_and_refused_without_torch() -> None:
    modules = "recipe.recipe", "build.plan", "recipe.dataset", "steps.finetune.encoder.plan"
    code = "\n".join(f"import edgekit.{module}" for module in modules)
    assert not imported_by(code) & {"torch", "transformers", "optimum"}

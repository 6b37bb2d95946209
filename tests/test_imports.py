"""Who may import whom, at run time: what pyproject.toml says of imports, checked again.

Modules are found in the folders, so that a new one is checked without being named here.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest

import edgekit
from edgekit import tables
from edgekit.cli import COMMANDS

SOURCE = Path(edgekit.__file__).parent
TESTS = Path(__file__).parent
HEAVY = ("torch", "transformers", "onnx", "optimum", "pydantic", "yaml", "matplotlib", "sklearn")

# Floors that know nothing of what compresses, by the beginnings of their modules' names.
FLOORS = {
    "what answers": (
        "edgekit.model",
        "edgekit.artifact",
        "edgekit.runtime",
        "edgekit.tasks",
        "edgekit.distributed",
    ),
    "what serves": ("edgekit.serving",),
    "what people's files hold": (
        "edgekit.data",
        "edgekit.masking",
        "edgekit.watching",
        "edgekit.wording",
    ),
    "the ground": ("edgekit.errors", "edgekit.tables", "edgekit.system", "edgekit.store"),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


def on(floor: str) -> list[str]:
    """The modules of a floor; what proves an artifact is the heavy half of its task."""
    roots = FLOORS[floor]
    below = tuple(f"{root}." for root in roots)
    return [
        name
        for name in MODULES
        if (name in roots or name.startswith(below)) and "proof" not in name.split(".")
    ]


def run(code: str, *arguments: str) -> str:
    """The last line that a fresh interpreter prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def imported_by(code: str) -> set[str]:
    """Top-level names in sys.modules after running `code` in a fresh interpreter."""
    probe = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(run(probe).split())


# What each task's package has; CONTRIBUTING.md says what for.
PARTS = (
    "task",
    "verbs",
    "wire",
    "routes",
    "golden",
    "batch",
    "quality",
    "proof.judge",
    "proof.evaluate",
    "proof.bench",
    "proof.head",
)

EACH = """\
import importlib, json, sys
heavy, found = set(json.loads(sys.argv[1])), {}
for module in sys.argv[2:]:
    importlib.import_module(module)
    if new := sorted(heavy & sys.modules.keys()):
        found[module] = new
        heavy -= set(new)
print(json.dumps(found))
"""


@pytest.mark.parametrize("floor", FLOORS)
def test_a_light_floor_imports_nothing_that_compresses(floor: str) -> None:
    modules = on(floor)
    assert len(modules) >= len(FLOORS[floor])
    assert json.loads(run(EACH, json.dumps(HEAVY), *modules)) == {}


def test_judging_needs_nothing_that_compresses() -> None:
    modules = [
        name
        for name in MODULES
        if name.startswith("edgekit.judging.") or name.endswith(".proof.quality")
    ]
    # rouge_score asks nltk, which takes scikit-learn where it is installed.
    heavy = [name for name in HEAVY if name != "sklearn"]
    assert json.loads(run(EACH, json.dumps(heavy), *modules)) == {}


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


def named_in(path: Path) -> Iterator[str]:
    """Modules that a file imports, and those that its strings name, as tables and `-m` do."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"edgekit(?:\.\w+)+", node.value)


@cache
def named() -> dict[str, set[Path]]:
    """The files that name each module, of the package, the terminal app and the tests."""
    found: dict[str, set[Path]] = {f"edgekit.cli.{name}": {SOURCE / "cli"} for name in COMMANDS}
    # What tables.py names are packages, of which each has these modules.
    steps = {package for families in tables.STEPS.values() for package in families.values()}
    for package, part in (
        *product(steps, ("plan", "run")),
        *product(tables.TASKS.values(), PARTS),
    ):
        found[f"{package}.{part}"] = {SOURCE / "tables.py"}
    app = SOURCE.parent / "tui"
    for path in (path for folder in (SOURCE, app, TESTS) for path in folder.rglob("*.py")):
        for name in named_in(path) if path != Path(__file__) else ():
            found.setdefault(name, set()).add(path)
    return found


def test_a_machine_is_probed_and_artifacts_fitted_without_what_compresses() -> None:
    modules = "probe", "operators", "decoding", "pace", "fit"
    code = "\n".join(f"import edgekit.bench.{module}" for module in modules)
    assert not imported_by(code) & {*HEAVY, "gguf", "llama_cpp"}


def test_no_module_is_dead() -> None:
    asked = {name: path for name, path in MODULES.items() if not path.stem.startswith("__")}
    assert [name for name, path in asked.items() if not named().get(name, set()) - {path}] == []


# Packages of packages, too: steps have a folder for each verb, tasks one for each task.
PACKAGES = [one.parent.relative_to(SOURCE) for one in MODULES.values() if one.stem == "__init__"]


@pytest.mark.parametrize("package", [one for one in PACKAGES if len(one.parts) in (1, 2)], ids=str)
def test_a_package_has_a_folder_of_tests(package: Path) -> None:
    assert list((TESTS / package).rglob("test_*.py")), f"tests/{package} has no test"

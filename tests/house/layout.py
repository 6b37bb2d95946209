"""Reads the layout of the packages: files, imports, folders and floors. Judges nothing.

Imports inside functions and under TYPE_CHECKING count as any others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent.parent
# From the bottom to the top: what stands on one line may import what stands above it on this page,
# and nothing else of edgekit. The first pattern that fits a module is its own.
FLOORS = (
    ("edgekit.errors",),
    ("edgekit.tables",),
    ("edgekit.system", "edgekit.wording"),
    ("edgekit.data", "edgekit.masking", "edgekit.watching"),
    ("edgekit.artifact", "edgekit.store"),
    ("edgekit.runtime",),
    ("edgekit.tasks",),
    ("edgekit.model",),
    ("edgekit.distributed",),
    ("edgekit",),
    ("edgekit.recipe",),
    ("edgekit.checkpoint",),
    ("edgekit.job",),
    ("edgekit.judging",),
    ("edgekit.training",),
    ("edgekit.steps", "edgekit.export"),
    ("edgekit.bench",),
    ("edgekit.tasks.*.proof",),
    ("edgekit.build",),
    ("edgekit.samples",),
    ("edgekit.serving",),
    ("edgekit.cli",),
    ("edgekit.__main__",),
)


def sources(*roots: str) -> Iterator[Path]:
    """Every Python file under these folders of the project."""
    for root in roots:
        yield from sorted((ROOT / root).rglob("*.py"))


def graph() -> grimp.ImportGraph:
    return grimp.build_graph("edgekit", cache_dir=None)


def imports(found: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    """Every import of one module of edgekit by another: who imports, what is imported."""
    for importer in sorted(found.modules):
        for imported in sorted(found.find_modules_directly_imported_by(importer)):
            yield importer, imported


def package(module: str) -> str:
    """The pattern of FLOORS that a module belongs to, the longest that fits."""
    fitting = [
        pattern
        for floor in FLOORS
        for pattern in floor
        if module == pattern or fnmatchcase(module, f"{pattern}.*") or fnmatchcase(module, pattern)
    ]
    # `edgekit` is its __init__ alone.
    return max((one for one in fitting if one != "edgekit" or module == "edgekit"), key=len)


def floor(pattern: str) -> int:
    return next(number for number, names in enumerate(FLOORS) if pattern in names)


def upward(found: grimp.ImportGraph) -> list[str]:
    """Imports of a higher floor, or of another package on the same."""
    return [
        f"{importer} -> {imported}"
        for importer, imported in imports(found)
        if (mine := package(importer)) != (theirs := package(imported))
        and floor(theirs) >= floor(mine)
    ]


def folder(module: str) -> str:
    """Where a module lies; a file directly in edgekit/ is a place of its own."""
    path = ROOT / module.replace(".", "/")
    inside = path.is_dir() or module.count(".") < 2
    return module if inside else module.rpartition(".")[0]


def circles(found: grimp.ImportGraph) -> list[list[str]]:
    """Folders that import each other, over however many others (Tarjan 1972)."""
    arrows: dict[str, set[str]] = {}
    for importer, imported in imports(found):
        if folder(importer) != folder(imported):
            arrows.setdefault(folder(importer), set()).add(folder(imported))
    return _components(arrows)


def _components(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(place: str) -> None:
        index[place] = low[place] = len(index)
        stack.append(place)
        for other in sorted(arrows.get(place, ())):
            if other not in index:
                visit(other)
                low[place] = min(low[place], low[other])
            elif other in stack:
                low[place] = min(low[place], index[other])
        if low[place] == index[place]:
            start = stack.index(place)
            component = stack[start:]
            del stack[start:]
            if len(component) > 1:
                found.append(sorted(component))

    for place in sorted(arrows):
        if place not in index:
            visit(place)
    return found


def named(paths: Sequence[Path], names: frozenset[str]) -> list[str]:
    """Where one of these names stands as a text of its own: `file:line: name`."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]

"""`make shape`: prints how the code is laid out. tests/house/test_shape.py says what must hold."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path

from tests.house import layout

PACKAGES = ("edgekit", "tui/edgekit_tui")


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def main() -> None:
    files = {path: lines(path) for path in layout.sources(*PACKAGES)}
    folders = Counter(path.parent.relative_to(layout.ROOT) for path in files)
    for folder, count in sorted(folders.items()):
        print(f"{count:4} files  {folder}")
    longest = max(files, key=lambda path: files[path])
    graph = layout.graph()
    circles, upward = layout.circles(graph), layout.upward(graph)
    print(f"\n{sum(files.values()):,} lines in {len(files)} modules")
    # A package's own file is a line, and would hide how long the others are.
    modules = [count for path, count in files.items() if path.name != "__init__.py"]
    print(f"median module {statistics.median(modules):g} lines")
    print(f"longest {files[longest]} lines: {longest.relative_to(layout.ROOT)}")
    print(f"{len(circles)} circles of folders", *circles, sep="\n  ")
    print(f"{len(upward)} imports of a higher floor", *upward, sep="\n  ")


if __name__ == "__main__":
    main()

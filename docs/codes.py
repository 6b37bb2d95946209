"""Writes the table of codes in errors.md from the sentences that edgekit itself says."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import edgekit

PAGE = Path(__file__).parent / "errors.md"
BEGIN, END = "<!-- codes: made by docs/codes.py -->\n", "<!-- codes end -->\n"


def table() -> str:
    """Everything between the two marks."""
    return "\n".join(["| code | what it says |", "| --- | --- |", *_rows()]) + "\n"


def page(text: str) -> str:
    """The whole page with the table anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def _rows() -> Iterator[str]:
    root = Path(edgekit.__file__).parent
    found: dict[str, str] = {}
    for path in [root / "errors.py", *root.glob("*/refusals.py")]:
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        found |= getattr(importlib.import_module(name), "TEMPLATES", {})
    for code, text in sorted(found.items()):
        shown = text.replace("{{", "{").replace("}}", "}").replace("|", "\\|")
        yield f"| `{code}` | {shown} |"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Changes top-level keys of a shipped recipe's text and keeps its comments. Checks nothing."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_KEY = re.compile(r"([a-z_]+):")
_INNER = re.compile(r"  ([a-z_]+):[^#]*?(\s+#.*)?")
# Says something about a sample's rows that is not true of others.
_OF_A_SAMPLE = "# Made for the data of"


def fill(
    text: str, values: Mapping[str, Any], *, about: Sequence[str], steps: Sequence[str]
) -> str:
    """The text with these values of its keys, in the places of the old ones.

    `about` are further lines of its first comment, `steps` lines that go before its own steps.
    """
    blocks = _blocks(text)
    head = [line for line in blocks.pop("") if not line.startswith(_OF_A_SAMPLE)]
    about = [f"# {part}" for line in about for part in textwrap.wrap(line, 96)]
    lines = [*head, "#", *about]
    new = {key: _block(key, value, blocks.get(key, [])) for key, value in values.items()}
    for key, block in blocks.items():
        if key in ("steps", "outputs"):
            # What the recipe inherited from the one it extends, and now states itself.
            lines += [line for added in new.values() for line in added]
            new.clear()
        lines += new.pop(key, block)
        if key == "steps":
            at = len(lines) - len(block) + 1
            lines[at:at] = steps
    return "\n".join(lines) + "\n"


def _blocks(text: str) -> dict[str, list[str]]:
    """The lines of each top-level key, and under "" those before the first."""
    blocks: dict[str, list[str]] = {"": []}
    key = ""
    for line in text.splitlines():
        if found := _KEY.match(line):
            key = found[1]
        blocks.setdefault(key, []).append(line)
    return blocks


def _block(key: str, value: Any, old: Sequence[str]) -> list[str]:
    """The lines of a key, with the comments that stood beside and after it."""
    behind = [line for line in old[1:] if line.startswith("#")]
    if not isinstance(value, Mapping):
        comment = re.search(r"\s+#.*", old[0]) if old else None
        return [f"{key}: {_scalar(value)}{comment[0] if comment else ''}", *behind]
    comments = {found[1]: found[2] or "" for line in old if (found := _INNER.fullmatch(line))}
    inner = [f"  {name}: {_scalar(one)}{comments.get(name, '')}" for name, one in value.items()]
    return [f"{key}:", *inner, *behind]


def _scalar(value: Any) -> str:
    """A value on one line, quoted where any YAML reader would take it for something else."""
    shown = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return shown.removesuffix("...\n").strip()

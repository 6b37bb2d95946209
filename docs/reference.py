"""Writes recipe-reference.md from the JSON Schema that `edgekit schema` prints. Knows no key."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "recipe-reference.md"
Schema = Mapping[str, Any]

_BEGIN = """\
<!-- Made by docs/reference.py from `edgekit schema`; `make docs` writes it anew. -->
# Recipe reference

Every key of a recipe, as `edgekit schema` knows them; an unknown one is refused.
[Recipes](recipes.md) says how they work together, and [Steps](steps.md) what each step does.
"""
_STEPS = """\
An entry of `steps` is one name with its settings, such as `- finetune: {epochs: 3}`. Where a step
takes other settings for some task, that task has a table of its own; all others share the first.
"""
_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most",
           "exclusiveMaximum": "below"}  # fmt: skip


def reference(schema: Schema) -> str:
    """The whole page."""
    return "\n".join(_page(schema)).replace("\n\n\n", "\n\n").rstrip("\n") + "\n"


def _page(schema: Schema) -> Iterator[str]:
    known: Mapping[str, Schema] = schema["$defs"]
    parts = [name for name in known if "." not in name]
    first = [name for name in parts if f'/{name}"' in json.dumps(schema["properties"])]
    yield _BEGIN
    yield from _section("## The recipe", schema, known)
    for name in first:
        yield from _section(f"### {name}", known[name], known)
    for key, before in (("steps", _STEPS), ("outputs", "An entry of `outputs` is one format.\n")):
        yield f"## {key.title()}\n\n{before}"
        found = [name for name in known if name.startswith(f"{key}.")]
        for name in sorted({one.rsplit(".", 1)[1] for one in found}):
            variants = [one for one in found if one.rsplit(".", 1)[1] == name]
            yield f"### {name}\n"
            for one in variants:
                title = f"#### {name}: {one.split('.')[1]}" if len(variants) > 1 else ""
                yield from _section(title, known[one], known)
    yield "## Parts of settings\n"
    for name in sorted(set(parts) - set(first)):
        yield from _section(f"### {name}", known[name], known)


def _section(title: str, found: Schema, known: Mapping[str, Schema]) -> Iterator[str]:
    """A heading, what the settings are for, and a row for each key."""
    if title:
        yield f"{title}\n"
    yield f"{found.get('description', '')}\n"
    yield "| key | what it takes | unless given | meaning |\n| --- | --- | --- | --- |"
    for key, one in found["properties"].items():
        default = _value(one["default"]) if one.get("default") is not None else ""
        if key in found.get("required", ()):
            default = "required"
        name = one.get("$ref", "").rsplit("/", 1)[-1]
        inherited = known.get(name, {}).get("description", "").split("\n\n")[0]
        meaning = " ".join(one.get("description", inherited).split())
        cells = (f"`{key}`", _type(one), default, meaning)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _type(one: Schema) -> str:
    if "$ref" in one:
        name = one["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in one:
        choices = [_type({**choice, **_bounds(one)}) for choice in one["anyOf"]
                   if choice.get("type") != "null"]  # fmt: skip
        return " or ".join(dict.fromkeys(choices))
    if "enum" in one or "const" in one:
        return ", ".join(_value(value) for value in one.get("enum", [one.get("const")]))
    if one["type"] == "array":
        return f"list of {_type(one['items'])}s" if "type" in one["items"] else "list"
    bounds = one if one["type"] in ("integer", "number") else {}
    said = ", ".join(f"{word} {bounds[key]:,}" for key, word in _BOUNDS.items() if key in bounds)
    return " ".join([_TYPES[one["type"]], said]).strip()


def _bounds(one: Schema) -> Schema:
    return {key: one[key] for key in _BOUNDS if key in one}


def _value(value: Any) -> str:
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def main() -> None:
    command = [sys.executable, "-m", "edgekit", "schema"]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    PAGE.write_text(reference(json.loads(printed)), encoding="utf-8")


if __name__ == "__main__":
    main()

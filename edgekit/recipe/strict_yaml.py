"""Reads YAML as plain data and remembers the line of each value. Knows nothing of recipes.

YAML can run code (tags), explode (aliases), lose data (duplicate keys) and guess (`no` is false,
`1:30` is 90). None of that is possible here: a small file, few levels, no tags, anchors or aliases,
unique string keys, and only the scalars of YAML 1.2's core schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from edgekit.errors import RecipeError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A value and the place of each of its parts: `places[("steps", 0)]` is "spam.yaml:14"."""

    value: Any
    places: Mapping[Path, str]

    def place(self, path: Path) -> str:
        """The place of a value, or of the nearest enclosing part that the file contains."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2 scalars: null, true/false, decimal integers and floats; everything else is text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML reads it from the class)


for _tag, _pattern, _first in (
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def parse(data: bytes, source: str) -> Document:
    """Reads one YAML document; raises RecipeError with `source` and line for anything unusual."""
    if len(data) > MAX_BYTES:
        raise RecipeError(
            f"{source}: {len(data):,} bytes are too many for a recipe; "
            f"keep it under {MAX_BYTES:,} and put texts into data files."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError(f"{source}:{line}: this is not UTF-8 text; save it as UTF-8.") from error
    try:
        _check_events(text, source)
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RecipeError(
            f"{source}:{line}: it holds the control character {error.character!r}, which YAML does "
            "not allow; remove it."
        ) from error
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise RecipeError(
            f"{source}:{line}: this is not YAML ({error.problem}); check the indentation, "
            "colons and quotes there."
        ) from error
    places: dict[Path, str] = {(): f"{source}:1"}
    value = {} if node is None else _plain(node, (), source, places)
    return Document(value=value, places=places)


def parse_scalar(text: str) -> Any:
    """The value of one scalar or flow list, as it would be read in a file; `text` is short."""
    return parse(text.encode("utf-8", "replace"), "value").value if text.strip() else ""


def _check_events(text: str, source: str) -> None:
    """Refuses everything in YAML that is more than data, before anything is built from it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_CoreLoader):
        mark: Any = event.start_mark
        place = f"{source}:{mark.line + 1}"
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise RecipeError(f"{place}: a second document begins; a recipe is one document.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise RecipeError(f"{place}: anchors and aliases are not allowed; write the value out.")
        if tag := getattr(event, "tag", None):
            raise RecipeError(f"{place}: the tag {tag} is not allowed; write plain values.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise RecipeError(f"{place}: more than {MAX_DEPTH} levels; a recipe needs five.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(node: yaml.Node, path: Path, source: str, places: dict[Path, str]) -> Any:
    places.setdefault(path, f"{source}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), source, places) for i, item in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = f"{source}:{key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise RecipeError(f"{place}: a key must be a word, not a list or mapping.")
        key = str(key_node.value)
        if key in result:
            raise RecipeError(f"{place}: the key '{key}' stands here twice; remove one of them.")
        places[(*path, key)] = place
        result[key] = _plain(value_node, (*path, key), source, places)
    return result


def _scalar(node: yaml.ScalarNode) -> Any:
    kind = node.tag.rsplit(":", 1)[-1]
    if kind == "null":
        return None
    if kind == "bool":
        return node.value == "true"
    if kind == "int":
        # Python does not parse integers of thousands of digits; as text they are refused later.
        return int(node.value) if len(node.value) < 20 else node.value
    return float(node.value) if kind == "float" else node.value

"""One fault of a recipe as one sentence: its place, what is wrong, what would be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.recipe import strict_yaml
from edgekit.recipe.settings import Settings
from edgekit.wording.suggestions import did_you_mean


def sentence(
    fault: Mapping[str, Any],
    path: strict_yaml.Path,
    model: type[Settings],
    document: strict_yaml.Document,
    subject: str,
    prefix: strict_yaml.Path,
    *,
    whole: str = "the recipe",
) -> str:
    """One fault as `file:line: what is wrong and what would be right`."""
    name = f"{subject}({prefix[-1]}) " if subject else ""
    key = path[-1] if path else "recipe"
    kind = fault["type"]
    if kind == "extra_forbidden":
        known = _keys(model, path[len(prefix) : -1])
        return (
            f"{document.place(path)}: {name or f'{whole} '}has no key '{key}'."
            f"{did_you_mean(str(key), known)}"
        )
    if kind == "missing":
        where = ".".join(str(part) for part in path[len(prefix) : -1])
        inside = f" in '{where}'" if where else ""
        return f"{document.place(path)}: {name}the key '{key}' is missing{inside}; add it."
    if kind == "fault":
        where, text = fault["ctx"]["key"], fault["ctx"]["text"]
        return f"{document.place((*path, *where.split('.')))}: '{where}' {text}."
    dotted = ".".join(str(part) for part in path[len(prefix) :]) or str(key)
    message = fault["msg"].removeprefix("Value error, ").rstrip(".")
    message = message[0].lower() + message[1:]
    given = "" if isinstance(fault["input"], (dict, list)) else f" {fault['input']!r}"
    return f"{document.place(path)}: {name}'{dotted}' cannot be{given or ' that'}: {message}."


def _keys(model: type[Settings], path: Sequence[str | int]) -> list[str]:
    """The keys that are allowed where `path` leads inside `model`."""
    for part in path:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, Settings):
            model = inner
    return list(model.model_fields)

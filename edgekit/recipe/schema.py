"""The JSON Schema of a recipe, for editors. Reads no recipe."""

from __future__ import annotations

from typing import Any

from edgekit import tables
from edgekit.recipe.recipe import Recipe, steps_of
from edgekit.recipe.settings import Settings


def schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, with the settings of every step and output."""
    result = Recipe.model_json_schema()
    definitions = result["$defs"]
    models: dict[str, dict[str, dict[type[Settings], str]]] = {
        "steps": _of_steps(),
        "outputs": {name: {tables.format_module(name).SETTINGS: name} for name in tables.FORMATS},
    }
    for key, named in models.items():
        choices = []
        for name, kinds in named.items():
            allowed: list[dict[str, Any]] = [{"type": "null"}]
            for kind, own in kinds.items():
                settings = kind.model_json_schema()
                definitions.update(settings.pop("$defs", {}))
                definitions[f"{key}.{own}"] = settings
                allowed.append({"$ref": f"#/$defs/{key}.{own}"})
            choices.append(
                {
                    "type": "object",
                    "properties": {name: {"anyOf": allowed}},
                    "required": [name],
                    "additionalProperties": False,
                }
            )
        result["properties"][key]["items"] = {"oneOf": choices}
    # A recipe that extends another may leave out what it inherits.
    result["required"] = ["version", "name"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result}


def _of_steps() -> dict[str, dict[type[Settings], str]]:
    """The settings of each step with a name: one set for each task, or one that tasks share."""
    found: dict[str, dict[type[Settings], str]] = {}
    for task in tables.TASKS:
        for name, family in steps_of(task).items():
            kind = tables.step_plan(name, family).SETTINGS
            found.setdefault(name, {}).setdefault(kind, f"{task}.{name}")
    return found

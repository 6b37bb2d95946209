"""Which artifact answers a request, and whether its body fits the route. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from edgekit.serving.keys import Key
from edgekit.serving.refusals import Refusal
from edgekit.serving.shelf import Shelf, Shelved
from edgekit.tasks.routes import Route


def chosen(
    shelf: Shelf, path: str, body: Mapping[str, Any], key: Key | None
) -> tuple[Shelved, Route]:
    """The artifact and its route; raises Refusal where none is named that answers this path."""
    known = shelf.all
    able = [
        one for one in known.values()
        if path in one.routes and (key is None or key.may(one.routes[path].verb, one.name))
    ]  # fmt: skip
    if key is not None and not able:
        raise Refusal(403, "key_may_not", f"This key may not ask {path} of any model here.")
    names = ", ".join(one.name for one in able)
    name = body.get("model")
    if name is None and len(able) == 1:
        return able[0], able[0].routes[path]
    if not isinstance(name, str):
        raise Refusal(400, "model_missing", f"Say which model: one of {names}.", field="model")
    found = next((one for one in able if one.name == name), None)
    if found is not None:
        return found, found.routes[path]
    if name in known and path not in known[name].routes:
        raise Refusal(
            400, "unsupported",
            f"'{name}' does not answer {path}; these do: {names or 'none'}.", field="model",
        )  # fmt: skip
    if name in known and key is not None:
        raise Refusal(403, "key_may_not", f"This key may not ask {path} of '{name}'.")
    raise Refusal(
        404, "model_not_found", f"There is no such model here; there are: {names}.", field="model"
    )


def check(validator: Draft202012Validator, body: Mapping[str, Any]) -> None:
    """Raises Refusal for what the route's schema does not allow, naming the field."""
    error = best_match(validator.iter_errors(body))
    if error is None:
        return
    place = error.json_path.removeprefix("$").removeprefix(".")
    unknown = error.validator == "additionalProperties"
    raise Refusal(
        400, "unknown_parameter" if unknown else "invalid_value",
        f"{place or 'The body'}: {_said(error)}.", field=place or None,
    )  # fmt: skip


def _said(error: ValidationError) -> str:
    """A sentence about the fault, without a whole text of somebody's in it."""
    message = error.message
    if len(message) <= 300:
        return message
    return f"this does not fit '{error.validator}': {str(error.validator_value)[:200]}"

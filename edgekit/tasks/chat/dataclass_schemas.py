"""From a dataclass to its JSON Schema, and from JSON that fits it to an instance."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from edgekit.errors import DataError

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_LISTS = (list, tuple, Sequence)


def schema(kind: type) -> dict[str, Any]:
    """For fields of str, int, float, bool, Literal, Enum, lists, unions and dataclasses.

    Fields without a default are required. Raises DataError for any other type.
    """
    return _object(kind, ())


def build(kind: type, value: Mapping[str, Any]) -> Any:
    """An instance from a JSON value that fits `schema(kind)`."""
    hints = get_type_hints(kind)
    return kind(**{name: _build(hints[name], part) for name, part in value.items()})


def _object(kind: type, above: tuple[type, ...]) -> dict[str, Any]:
    if kind in above:
        raise DataError(f"{kind.__name__}: this dataclass holds itself; give a JSON Schema.")
    hints = get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    described = {"description": kind.__doc__} if _has_doc(kind) else {}
    return {
        "type": "object",
        **described,
        "properties": {
            field.name: _schema(hints[field.name], f"{kind.__name__}.{field.name}", (*above, kind))
            for field in fields
        },
        "required": [field.name for field in fields if _is_needed(field)],
    }


def _has_doc(kind: type) -> bool:
    """Python generates one itself, which is only the signature."""
    return bool(kind.__doc__) and not str(kind.__doc__).startswith(f"{kind.__name__}(")


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _schema(hint: Any, place: str, above: tuple[type, ...]) -> dict[str, Any]:
    origin, parts = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(parts)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(part, place, above) for part in parts]}
    if origin in _LISTS and _item(hint) is not None:
        return {"type": "array", "items": _schema(_item(hint), place, above)}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _object(hint, above)
    raise DataError(
        f"{place}: its type {hint!r} has no form in JSON here; use texts, numbers, bool, Literal, "
        "Enum, lists, unions or dataclasses."
    )


def _item(hint: Any) -> Any:
    """The type of a list's items; None if it is not given, or differs by position."""
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        return parts[0] if len(parts) == 2 and parts[1] is Ellipsis else None
    return parts[0] if len(parts) == 1 else None


def _build(hint: Any, value: Any) -> Any:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        fitting = next(part for part in parts if _fits(part, value))
        return _build(fitting, value)
    if origin in _LISTS:
        built = [_build(_item(hint), part) for part in value]
        return tuple(built) if origin is tuple else built
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build(hint, value)
    return float(value) if hint is float else value


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value could have been written for this part of a union."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in parts
    if origin in (Union, types.UnionType):
        return any(_fits(part, value) for part in parts)
    if origin in _LISTS:
        return isinstance(value, list) and all(_fits(_item(hint), part) for part in value)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [member.value for member in hint]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return isinstance(value, dict) and all(
            name in hints and _fits(hints[name], part) for name, part in value.items()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint

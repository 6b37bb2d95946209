"""What every part of a recipe has in common: frozen, strict, no unknown keys. Knows no step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from edgekit.wording.units import parse_bytes, parse_seconds


class Settings(BaseModel):
    """Base of all settings; its JSON Schema is what editors complete recipes from."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @property
    def reads_unlabeled(self) -> bool:
        """Whether a step or an output so set reads `data.unlabeled`."""
        return False


def _bytes(value: object) -> object:
    return parse_bytes(value) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return parse_seconds(value) if isinstance(value, str) else value


# "30MB" or a count of bytes; "20ms" or a count of seconds.
Bytes = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=str | int), Field(gt=0)]
Seconds = Annotated[
    float, BeforeValidator(_seconds, json_schema_input_type=str | float), Field(gt=0)
]
Fraction = Annotated[float, Field(ge=0, le=1)]


def check_layers(layers: int | list[int] | None, *, name: str = "layers") -> None:
    """Raises ValueError where the setting `name` is neither a count of layers nor their numbers in
    order."""
    if isinstance(layers, int) and layers < 1:
        raise ValueError(f"{name}|must be 1 or more")
    if isinstance(layers, list) and (not layers or sorted(set(layers)) != layers or layers[0] < 0):
        raise ValueError(f"{name}|must be numbers of layers from 0, in rising order, each once")


def kept_layers(wanted: int | list[int], layers: int) -> list[int]:
    """The numbers of the layers that stay: first, last and evenly between them for a count."""
    if isinstance(wanted, list):
        return wanted
    count = min(wanted, layers)
    if count == 1:
        return [0]
    return [math.floor(number * (layers - 1) / (count - 1) + 0.5) for number in range(count)]


def refuse_keys(given: object, reasons: Mapping[str, str]) -> None:
    """Raises ValueError with the reason for the first of these keys that is given."""
    for name, why in reasons.items():
        if isinstance(given, dict) and name in given:
            raise ValueError(f"{name}|{why}")

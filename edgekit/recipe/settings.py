"""What every part of a recipe has in common: frozen, strict, no unknown keys. Knows no step."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from edgekit.wording.units import parse_bytes, parse_seconds


class Settings(BaseModel):
    """Base of all settings; editors complete recipes from its JSON Schema."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @property
    def reads_unlabeled(self) -> bool:
        """Whether a step or an output with these settings reads `data.unlabeled`."""
        return False

    @property
    def files(self) -> tuple[str, ...]:
        """Files and folders that the settings name, relative to the recipe."""
        return ()


def fault(key: str, text: str) -> PydanticCustomError:
    """The error that a validator raises. `key` is `a.b` inside what is validated; `text` continues
    the sentence after it and says what is wrong and what would be right."""
    return PydanticCustomError("fault", "'{key}' {text}", {"key": key, "text": text})


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

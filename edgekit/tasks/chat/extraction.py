"""Asks a chat model for the fields of a text, in a form that it must keep to. Knows no model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.data.conversation import Message, Reply
from edgekit.errors import DataError
from edgekit.tasks.chat import dataclass_schemas, grammars

INSTRUCTION = (
    "Read the text and fill in the fields of this JSON Schema from it. Answer with the JSON alone."
)


@dataclass(frozen=True, slots=True)
class Form:
    """A JSON Schema, the grammar of what fits it, and the dataclass that it came from, if any."""

    schema: Mapping[str, Any]
    grammar: str
    kind: type | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any] | type) -> Form:
        """From a JSON Schema or a dataclass; raises DataError for what no grammar can enforce."""
        if isinstance(given, Mapping):
            return cls(given, grammars.from_schema(given))
        if isinstance(given, type) and dataclasses.is_dataclass(given):
            schema = dataclass_schemas.schema(given)
            return cls(schema, grammars.from_schema(schema), given)
        raise DataError(
            f"A schema is a mapping (JSON Schema) or a dataclass, not {type(given).__name__}."
        )

    def question(self, text: str, *, instruction: str | None = None) -> list[Message]:
        asked = INSTRUCTION if instruction is None else instruction
        form = json.dumps(self.schema, ensure_ascii=False)
        return [{"role": "user", "content": f"{asked}\n\nSchema: {form}\n\nText: {text}"}]

    def read(self, reply: Reply) -> Any:
        """The value of an answer; raises DataError for one that was cut off."""
        if reply.ended != "stop":
            raise DataError(
                f"The model did not come to an end of the fields within {reply.tokens:,} tokens; "
                "allow more (max_tokens), or bound texts and lists in the schema (maxLength, "
                "maxItems)."
            )
        if "\ufffd" in reply.text:
            raise DataError(
                "The model wrote bytes that are no characters into the fields; ask again with "
                "another instruction, or use another model."
            )
        value = json.loads(reply.text)
        return value if self.kind is None else dataclass_schemas.build(self.kind, value)

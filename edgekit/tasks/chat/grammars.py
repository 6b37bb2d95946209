"""From a JSON Schema to a grammar of the JSON texts that fit it (GBNF, as llama.cpp reads it).

Every text of the grammar fits the schema, but not every text that fits is in the grammar: it allows
little white space, only the keys that are named, in the order in which they are named, and no
escapes where a character can stand for itself. A keyword that it cannot enforce is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.errors import DataError

# Annotations: for people and for the model, without effect on what fits.
_NOTES = frozenset({
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "$schema", "$id", "$comment", "$defs", "definitions",
})  # fmt: skip
_KEYWORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "format"},
    "integer": {"minimum", "maximum"},
    "number": set(),
    "boolean": set(),
    "null": set(),
}
_MOST_NUMBERS = 1000
_MOST_REPEATS = 2000
"""llama.cpp refuses larger ones."""
MAX_DEPTH = 40
_BASE = r"""
char ::= [^"\\\x00-\x1f\x7f-\x9f] | "\\" ["\\bfnrt]
integer ::= "-"? natural
natural ::= "0" | [1-9] [0-9]{0,15}
number ::= integer ("." [0-9]{1,16})?
date ::= [0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])
""".strip()


_ANY = r"""
object ::= "{" (member ("," " "? member)*)? "}"
member ::= "\"" char* "\"" ":" " "? value
value ::= object | "[" (value ("," " "? value)*)? "]" | "\"" char* "\"" | number | word
word ::= "true" | "false" | "null"
any ::= [^\x00]
""".strip()
ANY_OBJECT = "\n".join(["root ::= object", _ANY, _BASE, ""])
"""Any JSON object."""


def from_schema(schema: Mapping[str, Any], *, place: str = "schema") -> str:
    """The grammar, whose first rule is `root`; DataError names what cannot be enforced."""
    writer = _Writer(schema)
    root = writer.rule(schema, place)
    return "\n".join([f"root ::= {root}", *writer.lines, _BASE, ""])


@dataclass(frozen=True, slots=True)
class Between:
    """JSON with fixed texts before and after it."""

    before: str
    schema: Mapping[str, Any] | None
    """None: any object."""
    after: str
    place: str


def from_choices(choices: Sequence[Between], *, otherwise: str = "") -> str:
    """The grammar of one of these, or of what the expression `otherwise` matches; it may use the
    rule `any`, of any character."""
    found, lines = [], []
    for number, one in enumerate(choices):
        middle = "object"
        if one.schema is not None:
            writer = _Writer(one.schema, prefix=f"c{number}r")
            middle = writer.rule(one.schema, one.place)
            lines += writer.lines
        found.append(f"{_quoted(one.before)} {middle} {_quoted(one.after)}")
    root = " | ".join([*found, otherwise] if otherwise else found)
    return "\n".join([f"root ::= {root}", *lines, _ANY, _BASE, ""])


class _Writer:
    def __init__(self, whole: Mapping[str, Any], *, prefix: str = "r") -> None:
        """`prefix` begins the names of its rules."""
        self.lines: list[str] = []
        self._prefix = prefix
        self._whole = whole
        self._named: dict[str, str] = {}
        self._depth = 0

    def rule(self, schema: Any, place: str) -> str:
        """What matches a text that fits `schema`: the name of a rule, or an expression."""
        if not isinstance(schema, Mapping):
            raise DataError(f"{place}: this is no JSON Schema; give a mapping with a 'type'.")
        if self._depth > MAX_DEPTH:
            raise DataError(f"{place}: this schema is nested deeper than {MAX_DEPTH}.")
        self._depth += 1
        try:
            return self._rule(schema, place)
        finally:
            self._depth -= 1

    def _rule(self, schema: Mapping[str, Any], place: str) -> str:
        if "$ref" in schema:
            _only(schema, {"$ref"}, place)
            return self._reference(schema["$ref"], place)
        if "enum" in schema or "const" in schema:
            _only(schema, {"enum", "const", "type"}, place)
            return _any(map(_literal, schema.get("enum", [schema.get("const")])))
        if "anyOf" in schema:
            _only(schema, {"anyOf"}, place)
            choices = _list(schema["anyOf"], place)
            return _any(self.rule(one, f"{place}.anyOf[{n}]") for n, one in enumerate(choices))
        kinds = schema.get("type")
        if isinstance(kinds, str):
            return self._typed(schema, kinds, place)
        if isinstance(kinds, Sequence) and kinds:
            _only(
                schema, {"type"}.union(*(_KEYWORDS.get(str(kind), set()) for kind in kinds)), place
            )
            return _any(
                self._typed({key: value for key, value in schema.items()
                             if key in _KEYWORDS.get(str(kind), set())}, str(kind), place)
                for kind in kinds
            )  # fmt: skip
        raise DataError(f"{place}: this has no 'type', so anything would fit; say what it is.")

    def _typed(self, schema: Mapping[str, Any], kind: str, place: str) -> str:
        if kind not in _KEYWORDS:
            raise DataError(f"{place}: '{kind}' is no type of JSON Schema.")
        _only(schema, {"type", *_KEYWORDS[kind]}, place)
        match kind:
            case "object":
                return self._object(schema, place)
            case "array":
                return self._array(schema, place)
            case "string":
                return _string(schema, place)
            case "integer":
                return _integer(schema, place)
            case "boolean":
                return '("true" | "false")'
            case "null":
                return '"null"'
            case _:
                return "number"

    def _object(self, schema: Mapping[str, Any], place: str) -> str:
        properties = schema.get("properties", {})
        if not isinstance(properties, Mapping) or not properties:
            raise DataError(f"{place}: an object without 'properties' could have any; name them.")
        needed = set(_list(schema.get("required", []), place))
        if needed - set(properties):
            missing = sorted(map(str, needed - set(properties)))[0]
            raise DataError(f"{place}: '{missing}' is required but is none of the properties.")
        members = [
            (f'{_quoted(json.dumps(str(name), ensure_ascii=False))} ":" " "? '
             f"{self.rule(value, f'{place}.{name}')}", name in needed)
            for name, value in properties.items()
        ]  # fmt: skip
        first, following = self._members(members)
        return self._name(f'"{{" {first} "}}"' if following else '"{" "}"')

    def _members(self, members: list[tuple[str, bool]]) -> tuple[str, bool]:
        """What may be in the braces: members in order, with commas between those present."""
        behind, first = '""', '""'
        for member, needed in reversed(members):
            alone = f"{member} {behind}"
            first = self._name(alone if needed else f"{alone} | {first}")
            after = f'"," " "? {member} {behind}'
            behind = self._name(after if needed else f"{after} | {behind}")
        return first, bool(members)

    def _array(self, schema: Mapping[str, Any], place: str) -> str:
        if "items" not in schema:
            raise DataError(f"{place}: an array without 'items' could hold anything; say what.")
        least, most = _bounds(schema, "minItems", "maxItems", place)
        if most == 0:
            return '"[" "]"'
        item = self._name(self.rule(schema["items"], f"{place}.items"))
        more = "" if most is None else str(most - 1)
        some = f'"[" {item} ("," " "? {item}){{{max(least - 1, 0)},{more}}} "]"'
        return self._name(some if least else f'{some} | "[" "]"')

    def _reference(self, reference: Any, place: str) -> str:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise DataError(f"{place}: '$ref' may point within this schema alone, as '#/$defs/x'.")
        if reference not in self._named:
            target: Any = self._whole
            for part in reference[2:].split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                if not isinstance(target, Mapping) or key not in target:
                    raise DataError(f"{place}: there is nothing at '{reference}' in this schema.")
                target = target[key]
            # Named before it is read: a schema may refer to itself.
            name = self._named[reference] = self._reserve()
            found = self.rule(target, reference)
            if found == name:
                raise DataError(f"{place}: '{reference}' says nothing but itself.")
            self._define(name, found)
        return self._named[reference]

    def _name(self, body: str) -> str:
        name = self._reserve()
        self._define(name, body)
        return name

    def _reserve(self) -> str:
        self.lines.append("")
        return f"{self._prefix}{len(self.lines) - 1}"

    def _define(self, name: str, body: str) -> None:
        self.lines[int(name[len(self._prefix) :])] = f"{name} ::= {body}"


def _only(schema: Mapping[str, Any], known: set[str], place: str) -> None:
    for key in schema:
        if key not in known and key not in _NOTES:
            raise DataError(
                f"{place}: '{key}' cannot be held to here; leave it out and check the answer "
                "yourself, or say it with type, enum, anyOf or the bounds of lengths."
            )


def _string(schema: Mapping[str, Any], place: str) -> str:
    if "format" in schema:
        _only(schema, {"type", "format"}, place)
        if schema["format"] != "date":
            raise DataError(f"{place}: of formats only 'date' can be held to; leave it out.")
        return r'"\"" date "\""'
    least, most = _bounds(schema, "minLength", "maxLength", place)
    return rf'"\"" char{{{least},{"" if most is None else most}}} "\""'


def _integer(schema: Mapping[str, Any], place: str) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return "integer"
    if low == 0 and high is None:
        return "natural"
    if not (isinstance(low, int) and isinstance(high, int) and 0 <= high - low < _MOST_NUMBERS):
        raise DataError(
            f"{place}: whole numbers can be bounded from 0, or on both sides with at most "
            f"{_MOST_NUMBERS} between; leave the bound out and check the answer yourself."
        )
    return _any(f'"{number}"' for number in range(low, high + 1))


def _bounds(schema: Mapping[str, Any], low: str, high: str, place: str) -> tuple[int, int | None]:
    least, most = schema.get(low, 0), schema.get(high)
    right = isinstance(least, int) and (most is None or isinstance(most, int))
    if not right or least < 0 or (most is not None and most < least):
        raise DataError(f"{place}: '{low}' and '{high}' must be whole numbers in order.")
    if max(least, most or 0) > _MOST_REPEATS:
        raise DataError(
            f"{place}: '{low}' and '{high}' can be up to {_MOST_REPEATS:,} here; leave them out."
        )
    return least, most


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise DataError(f"{place}: 'anyOf' and 'required' must be lists.")
    return list(value)


def _any(choices: Any) -> str:
    found = list(choices)
    if not found:
        raise DataError("schema: an 'enum' or 'anyOf' without choices fits nothing; add one.")
    return found[0] if len(found) == 1 else f"({' | '.join(found)})"


def _literal(value: Any) -> str:
    return _quoted(json.dumps(value, ensure_ascii=False))


def _quoted(text: str) -> str:
    """A string as a literal of the grammar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

"""Turns the sentence templates of home-assistant-intents into sentences; knows no sets or splits.

A template such as `<turn> on [the] {area} lights` is parsed by hassil. A sentence is one random
walk through it: an alternative is picked, a rule is followed, a list gives one of its values. What
a home would supply (rooms, devices, people) comes from `names.json`, written for each language.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    TextChunk,
)
from hassil.parse_expression import parse_sentence

from edgekit.errors import SampleError
from edgekit.samples import packages
from edgekit.samples.packages import Package

TEMPLATES = Package(
    "home-assistant-intents",
    "2026.10.27",
    "home_assistant_intents-2026.10.27-py3-none-any.whl",
    "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
)

LICENSE_MEMBER = "home_assistant_intents-2026.10.27.dist-info/licenses/LICENSE.md"

# Ranges that people really say: the package allows any number, such as 3 degrees or 97 hours.
_SPOKEN_RANGES = {
    "temperature": range(16, 27),
    "color_temperature": range(2000, 6600, 100),
    "timer_hours": range(1, 13),
}

# Helpers that people switch or press like the devices for which there are names.
_SAME_NAMES = {"input_boolean": "switch", "input_button": "button"}
_ANY_DEVICE = ("light", "switch", "fan", "media_player")


@dataclass(frozen=True, slots=True)
class Template:
    """One sentence template of one intent in one language."""

    id: str
    """`language/intent/digest of the text`: the same wherever the template is in its file."""
    language: str
    intent: str
    text: str
    domains: tuple[str, ...]
    """Kinds of devices that it is about; empty where the package does not say."""


class Grammar:
    """One language's rules and lists; makes sentences from its templates."""

    def __init__(self, language: str, data: Mapping[str, Any]) -> None:
        self.language = language
        self.templates = tuple(_read_templates(language, data))
        self._rules: Mapping[str, str] = data["expansion_rules"]
        self._lists: Mapping[str, Any] = data["lists"]
        self._names = names()[language]
        self._parsed: dict[str, Expression] = {}

    def sentences(self, template: Template, *, count: int, seed: int) -> list[str]:
        """At most `count` different sentences, the same for the same seed.

        A template that has fewer gives fewer: it is tried four times as often as asked.
        """
        source = random.Random(f"{seed} {template.id}")
        found: dict[str, str] = {}
        for _ in range(4 * count):
            text = self.sentence(template, source)
            # The templates are in lower case; people who type often start with a capital.
            text = text[:1].upper() + text[1:] if source.random() < 0.25 else text
            if text:
                found.setdefault(fold(text), text)
            if len(found) == count:
                break
        return list(found.values())

    def sentence(self, template: Template, source: random.Random) -> str:
        return tidy(_Walk(self, template, source).text(self.parse(template.text)))

    def parse(self, text: str) -> Expression:
        if text not in self._parsed:
            self._parsed[text] = parse_sentence(text).expression
        return self._parsed[text]

    def rule(self, name: str) -> Expression:
        return self.parse(self._rules[name])

    def values(self, list_name: str, template: Template) -> Sequence[str]:
        """What a list may say, as further templates; numbers come from `numbers`."""
        if list_name == "name":
            domains = template.domains or _ANY_DEVICE
            named = [_SAME_NAMES.get(domain, domain) for domain in domains]
            return [name for domain in named for name in self._names[domain]]
        if list_name in self._names:
            return self._names[list_name]
        values = self._lists[list_name]["values"]
        return [value if isinstance(value, str) else value["in"] for value in values]

    def numbers(self, list_name: str) -> range | None:
        """The numbers of a list, or None where it holds words."""
        if list_name in _SPOKEN_RANGES:
            return _SPOKEN_RANGES[list_name]
        limits = self._lists.get(list_name, {}).get("range")
        if limits is None:
            return None
        return range(limits["from"], limits["to"] + 1, limits.get("step", 1))


@dataclass(frozen=True, slots=True)
class _Walk:
    """One random way through one template."""

    grammar: Grammar
    template: Template
    source: random.Random

    def text(self, expression: Expression) -> str:
        match expression:
            case TextChunk():
                return expression.original_text
            case Alternative():
                return self.text(self.source.choice(expression.items))
            case Permutation():
                items = self.source.sample(expression.items, len(expression.items))
                return " ".join(self.text(item) for item in items)
            case Group():
                return "".join(self.text(item) for item in expression.items)
            case RuleReference():
                return self.text(self.grammar.rule(expression.rule_name))
            case ListReference():
                return self._value(expression)
        raise SampleError(
            f"The template {self.template.id} holds {type(expression).__name__}, which the "
            "sampler does not know: install the version of hassil in edgekit's constraints."
        )

    def _value(self, reference: ListReference) -> str:
        inline = reference.get_inline_range()
        if inline is not None:
            start, stop, step = inline
            return self._number(range(start, stop + 1, step))
        numbers = self.grammar.numbers(reference.list_name)
        if numbers is not None:
            return self._number(numbers)
        value = self.source.choice(self.grammar.values(reference.list_name, self.template))
        return self.text(self.grammar.parse(value))

    def _number(self, numbers: range) -> str:
        """Mostly round ones, as people say them."""
        number = self.source.choice(numbers)
        if len(numbers) > 20 and self.source.random() < 0.7:
            rounded = 5 * round(number / 5)
            number = rounded if rounded in numbers else number
        return str(number)


def load(language: str, wheel: Path) -> Grammar:
    """Reads one language from the package."""
    member = f"home_assistant_intents/data/{language}.json"
    return Grammar(language, json.loads(packages.read_member(wheel, member)))


@cache
def names() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """What a home supplies, by language and kind."""
    text = resources.files(__package__).joinpath("names.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Mapping[str, Sequence[str]]] = json.loads(text)
    return loaded


def tidy(text: str) -> str:
    """One space between words, none before punctuation, no word twice in a row."""
    spaced = re.sub(r"\s+(?=[,.?!;])", "", " ".join(text.split())).strip(" ,;")
    # `{floor} [floor]` with the name "ground floor".
    return re.sub(r"\b(\w+)( \1\b)+", r"\1", spaced, flags=re.IGNORECASE)


def fold(text: str) -> str:
    """The form in which two texts must differ to count as different."""
    return " ".join(text.casefold().split())


def _read_templates(language: str, data: Mapping[str, Any]) -> Iterator[Template]:
    """Templates in the file's order; the same text under one intent is one template."""
    found: dict[tuple[str, str], set[str]] = {}
    for intent, body in data["intents"].items():
        for block in body["data"]:
            domains = _block_domains(block)
            for text in block["sentences"]:
                found.setdefault((intent, text), set()).update(domains)
    for (intent, text), kinds in found.items():
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:10]
        template_id = f"{language}/{intent}/{digest}"
        yield Template(template_id, language, intent, text, tuple(sorted(kinds)))


def _block_domains(block: Mapping[str, Any]) -> list[str]:
    """Kinds of devices that a block of templates is for: what `{name}` needs, or what is set."""
    needed = block.get("requires_context", {}).get("domain")
    domains = needed or block.get("slots", {}).get("domain") or []
    return [domains] if isinstance(domains, str) else list(domains)

"""Every error that edgekit raises on purpose. A message names the place, the fault and the remedy.

Each has a code. What people meet who use what was built has codes of its own: its sentences are
templates, in the table `refusals.py` of each package, and wording/translating.py says them in other
languages.

EdgekitError
├── RecipeError            a recipe that cannot be followed as written
├── DataError              rows or texts that cannot be used
├── CheckpointError        a Hugging Face folder that is unsafe, damaged or unusable here
├── StepError              a step that could not do its work
├── ExportError            a model whose exported form does not answer like the checkpoint
├── ArtifactError          a folder that is not an artifact, or one that this version cannot read
│   └── IntegrityError     an artifact whose bytes are not those that were written
├── TemplateError          a chat template that cannot be rendered, or refuses the messages
├── UnsupportedTask        a verb that this artifact does not support
├── ContextOverflow        an input larger than the model can read
├── OutOfMemoryBudget      too little memory, or less than the work was allowed
├── OutOfDisk              too little space on the disk
├── WorkerError            the process that holds the model died or was closed
├── SampleError            a sample that cannot be made
└── MissingExtra           a package that the work needs is not installed
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class Told(str):
    """A sentence in English that knows what it was made of, so that it can be said in others."""

    code: str
    values: Mapping[str, str]
    """Each may be Told itself."""
    place: str
    """Put before the sentence, with a colon; empty for none."""

    def at(self, place: str) -> Told:
        """The same sentence with a place before it."""
        before = f"{place}: {self.place}" if self.place else place
        return _told(f"{place}: {self}", self.code, self.values, before)

    def as_json(self) -> dict[str, Any]:
        values = {
            name: value.as_json() if isinstance(value, Told) else value
            for name, value in self.values.items()
        }
        return {"text": str(self), "code": self.code, "values": values, "place": self.place}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Told:
        values = {
            name: one if isinstance(one, str) else cls.from_json(one)
            for name, one in value["values"].items()
        }
        return _told(value["text"], value["code"], values, value["place"])


def told(templates: Mapping[str, str], code: str, values: Mapping[str, object]) -> Told:
    """The sentence of this code, whose template has each of these values once or more."""
    shown = {name: one if isinstance(one, str) else str(one) for name, one in values.items()}
    return _told(templates[code].format_map(shown), code, shown, "")


def _told(text: str, code: str, values: Mapping[str, str], place: str) -> Told:
    made = Told(text)
    made.code, made.values, made.place = code, values, place
    return made


class EdgekitError(Exception):
    """Base of all errors; an app prints its message without a traceback and exits with 1."""

    @property
    def sentence(self) -> str:
        """What `str` gives; Told where it has a code of its own."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)


def at(place: object, error: EdgekitError) -> str:
    """An error's sentence with a place before it."""
    said = error.sentence
    return said.at(str(place)) if isinstance(said, Told) else f"{place}: {said}"


def code_of(error: EdgekitError) -> str:
    """Of its sentence, such as `no-column`; else of its class, such as `recipe-error`."""
    said = error.sentence
    if isinstance(said, Told):
        return said.code
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()


class RecipeError(EdgekitError):
    pass


class DataError(EdgekitError):
    pass


class CheckpointError(EdgekitError):
    pass


class StepError(EdgekitError):
    pass


class ExportError(EdgekitError):
    pass


class ArtifactError(EdgekitError):
    pass


class IntegrityError(ArtifactError):
    pass


class TemplateError(EdgekitError):
    pass


class UnsupportedTask(EdgekitError):
    pass


class ContextOverflow(EdgekitError):
    pass


class OutOfMemoryBudget(EdgekitError):
    pass


class OutOfDisk(EdgekitError):
    pass


class WorkerError(EdgekitError):
    pass


class SampleError(EdgekitError):
    pass


TEMPLATES = {
    "missing-extra": "This needs the package '{package}', which is not installed: "
    "pip install 'edgekit[{extra}]'",
}


class MissingExtra(EdgekitError):
    """Names the extra that brings the package."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(told(TEMPLATES, "missing-extra", {"package": package, "extra": extra}))
        self.package = package
        self.extra = extra

"""Reads a recipe and says in one sentence what is wrong with it. Opens no model and no data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from edgekit import tables
from edgekit.errors import RecipeError
from edgekit.recipe import strict_yaml
from edgekit.recipe.faults import sentence
from edgekit.recipe.sections import Checkpoint, Data, Must, Target
from edgekit.recipe.settings import Fraction, Settings, fault
from edgekit.system import paths
from edgekit.tables import Family, format_module, step_plan
from edgekit.wording import directions
from edgekit.wording.language_codes import CODE, normal
from edgekit.wording.language_names import code_of
from edgekit.wording.suggestions import did_you_mean

S = TypeVar("S", bound=Settings)


def _as_base(value: object) -> object:
    return {"base": value} if isinstance(value, str) else value


def _as_code(value: object) -> object:
    return (code_of(value) or value) if isinstance(value, str) else value


Language = Annotated[
    str,
    BeforeValidator(_as_code),
    Field(pattern=f"^{CODE}({directions.ARROW}{CODE})?$"),
    AfterValidator(normal),
]


class Directions(Settings):
    """From which languages a model translates into which: from each into every other."""

    sources: Annotated[list[str], Field(min_length=1, alias="from")]
    """The languages of the texts."""
    targets: Annotated[list[str], Field(min_length=1, alias="to")]
    """The languages of the translations."""


def _as_directions(value: object) -> object:
    """`{from: [en], to: [fr, sw]}` as the names of its directions; anything else as it is."""
    if not isinstance(value, dict):
        return value
    found = []
    for key in ("from", "to"):
        codes = value.get(key)
        if not (isinstance(codes, list) and codes and all(isinstance(one, str) for one in codes)):
            raise ValueError(
                "of a translation are {from: [en], to: [fr, sw]}, and here there is no list of "
                f"languages under '{key}'"
            )
        found.append([str(_as_code(one)) for one in codes])
    if strange := sorted(set(value) - {"from", "to"}, key=str):
        raise ValueError(f"has no key '{strange[0]}'; a translation has from and to")
    sources, targets = found
    return [directions.direction(a, b) for a in sources for b in targets if a != b]


def _known_task(name: str) -> str:
    if name not in tables.TASKS:
        raise ValueError(
            f"is one of {', '.join(tables.TASKS)}.{did_you_mean(name, list(tables.TASKS))}"
        )
    return name


TaskName = Annotated[
    str,
    AfterValidator(_known_task),
    WithJsonSchema({"type": "string", "enum": list(tables.TASKS)}),
]


class Recipe(Settings):
    """A model, a task, languages, data, steps, outputs and what must hold."""

    version: Literal[1]
    """Version of the recipe format."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")]
    """Names the artifacts: lower-case letters, digits, dots and hyphens."""
    extends: str | None = None
    """A shipped recipe to start from, such as builtin/classify-small; one level."""
    task: TaskName
    """What the model does: gives one of its labels, continues a text or a conversation, or shortens
    a text."""
    languages: Annotated[
        list[Language],
        BeforeValidator(_as_directions, json_schema_input_type=list[Language] | Directions),
        Field(min_length=1),
    ]
    """Languages that the artifact is made for and judged in; of a translation {from: [en], to: [fr,
    sw]}: each into every other is judged by itself."""
    model: Annotated[Checkpoint, BeforeValidator(_as_base, json_schema_input_type=str | Checkpoint)]
    """The checkpoint to start from."""
    prefix: str = ""
    """Put before every text, if the model was trained with one (e5: 'query: ')."""
    max_tokens: Annotated[int, Field(ge=8)] | None = None
    """Window of the model in tokens: longer texts are read in several parts, and longer
    conversations are refused. The model's own window unless given."""
    abstain_below: Fraction | None = None
    """Answers with a lower score are marked as abstained; with 0 none are. Unless given, validation
    rows choose it: from there on answers are wrong half as often as all are."""
    words: Annotated[int, Field(ge=1, le=10_000)] = 120
    """Length of a summary, unless another is asked for."""
    data: Data
    target: Target = Field(default_factory=Target)
    must: Must = Field(default_factory=Must)
    steps: list[dict[str, Any]] = Field(default_factory=list)
    """What is done to the checkpoint, in order."""
    outputs: Annotated[list[dict[str, Any]], Field(min_length=1)]
    """The artifacts to write."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seeds every random choice."""

    @model_validator(mode="after")
    def _judged_on_something(self) -> Recipe:
        for key, rows in tables.task(self.task).judged_on.items():
            if getattr(self.must, key) is not None and getattr(self.data, rows) is None:
                raise fault(
                    f"must.{key}", f"asks for proof, and data has no '{rows}' to judge on; add them"
                )
        if self.must.asks() and self.data.test is None:
            raise fault("must", "asks for proof, and data has no 'test' rows to judge on; add them")
        if len(set(self.languages)) != len(self.languages):
            raise fault("languages", "names a language twice; name each once")
        directed = tables.task(self.task).directed
        if any((directions.split(name) is not None) is not directed for name in self.languages):
            right = "{from: [en], to: [fr, sw]}" if directed else "a list such as [en, fr]"
            raise fault("languages", f"of the task {self.task} are {right}; write them so")
        return self

    @model_validator(mode="after")
    def _all_of_it_means_something(self) -> Recipe:
        """Refuses keys without a meaning: nothing in a recipe is ignored silently."""
        task = tables.task(self.task)
        for key in sorted(self.must.model_fields_set - task.must):
            *more, last = (name for name in tables.TASKS if key in tables.task(name).must)
            owners = " and ".join([", ".join(more), last] if more else [last])
            choices = ", ".join(sorted(task.must))
            raise fault(f"must.{key}", f"is for the task {owners}; {self.task} has {choices}")
        if self.must.metric is not None and self.must.metric not in task.metrics:
            choices = ", ".join(sorted(task.metrics))
            raise fault("must.metric", f"is {self.must.metric}; {self.task} has {choices}")
        for dotted, why in task.meaningless.items():
            if self._gives(dotted):
                raise fault(dotted, f"{why}; remove it")
        if self.data.choices is not None and self.data.test is None:
            raise fault("data.choices", "judges beside data.test, which is not there; add it")
        return self

    @property
    def directions(self) -> tuple[str, ...]:
        """The languages of a task that goes from one into another; empty for others."""
        return tuple(self.languages) if tables.task(self.task).directed else ()

    def _gives(self, dotted: str) -> bool:
        """Whether the recipe has the key `a.b`."""
        settings: Settings = self
        *outer, key = dotted.split(".")
        for name in outer:
            settings = getattr(settings, name)
        return key in settings.model_fields_set


@dataclass(frozen=True)
class Entry:
    """One entry of `steps` or `outputs`: its name, its checked settings, and its place."""

    name: str
    settings: Settings
    place: str


@dataclass(frozen=True)
class BoundRecipe:
    """A recipe whose steps and outputs are each checked against their settings."""

    path: Path
    recipe: Recipe
    document: Mapping[str, Any]
    """The recipe as resolved: `extends` and `--set` applied; plain JSON."""
    steps: tuple[Entry, ...]
    outputs: tuple[Entry, ...]
    places: strict_yaml.Document

    def resolve(self, path: str) -> Path:
        """A path from the recipe; relative paths are relative to the recipe's file."""
        return (self.path.parent / path).resolve()

    def place(self, *path: str | int) -> str:
        return self.places.place(path)


def read(path: Path, *, changes: Sequence[str] = ()) -> BoundRecipe:
    """Reads a recipe's file; `changes` are like `a.b=c`. Raises RecipeError with file and line."""
    if path.is_dir():
        raise RecipeError(f"{path} is a folder; name the recipe's file, such as recipe.yaml in it.")
    if not path.is_file():
        raise RecipeError(
            f"{path} does not exist; `edgekit recipes` lists the shipped recipes and "
            "`edgekit new` copies one."
        )
    document = _parse(path)
    document = _extend(document, path)
    for change in changes:
        document = _change(document, change)
    recipe = _validate(Recipe, document.value, document, ())
    return BoundRecipe(
        path=path.resolve(),
        recipe=recipe,
        document=document.value,
        steps=_entries("steps", recipe.steps, document, recipe.task),
        outputs=_entries("outputs", recipe.outputs, document, recipe.task),
        places=document,
    )


def shipped() -> dict[str, Path]:
    """The recipes that come with edgekit, by name."""
    return {path.stem: path for path in sorted(paths.recipes_dir().glob("*.yaml"))}


def _parse(path: Path) -> strict_yaml.Document:
    document = strict_yaml.parse(path.read_bytes(), path.name)
    if not isinstance(document.value, dict):
        raise RecipeError(f"{path.name}:1: a recipe is a mapping that begins with 'version: 1'.")
    return document


def _extend(document: strict_yaml.Document, path: Path) -> strict_yaml.Document:
    """Merges the recipe into the shipped one that it extends; lists are replaced."""
    name = document.value.get("extends")
    if name is None:
        return document
    place = document.place(("extends",))
    base_path = shipped().get(str(name).removeprefix("builtin/"))
    if base_path is None or not str(name).startswith("builtin/"):
        choices = [f"builtin/{choice}" for choice in shipped()]
        raise RecipeError(
            f"{place}: there is no shipped recipe '{name}'.{did_you_mean(str(name), choices)}"
        )
    base = _parse(base_path)
    if "extends" in base.value:
        raise RecipeError(f"{place}: '{name}' extends another recipe itself; only one level works.")
    value, places = dict(base.value), dict(base.places)
    for key, own in document.value.items():
        inherited = value.get(key)
        if isinstance(inherited, dict) and isinstance(own, dict):
            value[key] = {**inherited, **own}
        else:
            value[key] = own
    places.update(document.places)
    return strict_yaml.Document(value=value, places=places)


def _change(document: strict_yaml.Document, change: str) -> strict_yaml.Document:
    """Applies one `a.b=c`; list entries are numbered from 0."""
    place = f"--set {change}"
    dotted, equals, text = change.partition("=")
    if not equals or not dotted:
        raise RecipeError(f"{place}: write it as key=value, such as steps.0.finetune.epochs=1.")
    path = tuple(int(part) if part.isdigit() else part for part in dotted.split("."))
    value = copy.deepcopy(document.value)
    target: Any = value
    for index, part in enumerate(path[:-1]):
        target = _descend(target, part, place, missing_ok=index == 0)
    if isinstance(target, list):
        _descend(target, path[-1], place, missing_ok=False)
    elif not isinstance(target, dict) or isinstance(path[-1], int):
        raise RecipeError(f"{place}: '{path[-1]}' is not a place in this recipe.")
    target[path[-1]] = strict_yaml.parse_scalar(text)
    return strict_yaml.Document(value=value, places={**document.places, path: place})


def _descend(target: Any, part: str | int, place: str, *, missing_ok: bool) -> Any:
    if isinstance(target, list) and isinstance(part, int) and part < len(target):
        return target[part]
    if isinstance(target, dict) and isinstance(part, str):
        if part in target and target[part] is not None:
            return target[part]
        if part in target or missing_ok:
            target[part] = {}
            return target[part]
        raise RecipeError(f"{place}: no key '{part}' there.{did_you_mean(part, list(target))}")
    raise RecipeError(f"{place}: '{part}' is not a place in this recipe.")


def _entries(
    key: str, values: Sequence[Mapping[str, Any]], document: strict_yaml.Document, task: str
) -> tuple[Entry, ...]:
    """Binds each entry of `steps` or `outputs` to the module that its one key names."""
    steps = key == "steps"
    kind = "step" if steps else "output"
    table = {name: step_plan(name, family) for name, family in steps_of(task).items()}
    if not steps:
        table = {name: format_module(name) for name in tables.FORMATS}
    bound = []
    for index, value in enumerate(values):
        place = document.place((key, index))
        if len(value) != 1:
            raise RecipeError(
                f"{place}: {kind} {index + 1} has {len(value)} keys; each {kind} is one name "
                f"with its settings, such as '- {next(iter(table))}: {{}}'."
            )
        [(name, settings)] = value.items()
        if steps and name in tables.STEPS and name not in table:
            known = ", ".join(sorted(table)) or "none"
            raise RecipeError(
                f"{place}: step {index + 1} ({name}) is not for the task {task}, whose steps are: "
                f"{known}; remove it."
            )
        if name not in table:
            raise RecipeError(
                f"{place}: there is no {kind} '{name}'.{did_you_mean(name, list(table))}"
            )
        path = (key, index, name)
        checked = _validate(
            table[name].SETTINGS, settings or {}, document, path, f"{kind} {index + 1} "
        )
        bound.append(Entry(name=name, settings=checked, place=place))
    return tuple(bound)


def steps_of(task: str) -> dict[str, Family]:
    """The steps that a task's checkpoints can take, and the family whose settings each has."""
    steps = tables.steps_of(task)
    # A recipe's step has the settings of the first family that has it.
    found = {name: family for family in reversed(list(steps)) for name in steps[family]}
    return dict(sorted(found.items()))


def _validate(
    model: type[S],
    value: Any,
    document: strict_yaml.Document,
    prefix: strict_yaml.Path,
    subject: str = "",
) -> S:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = (*prefix, *(part for part in first["loc"] if part != "__root__"))
        raise RecipeError(sentence(first, path, model, document, subject, prefix)) from None

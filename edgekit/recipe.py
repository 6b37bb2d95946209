"""Reads a recipe and says in one sentence what is wrong with it. Looks at no model and no data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from edgekit import compress, paths, strict_yaml
from edgekit.errors import RecipeError
from edgekit.export import FORMATS, format_module
from edgekit.faults import sentence
from edgekit.nearest import did_you_mean
from edgekit.settings import Bytes, Fraction, Seconds, Settings

S = TypeVar("S", bound=Settings)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_base(value: object) -> object:
    return {"base": value} if isinstance(value, str) else value


Texts = Annotated[
    list[str],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]
Positive = Annotated[float, Field(gt=0)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]


class Checkpoint(Settings):
    """A Hugging Face folder, with the LoRA adapter to merge into it if there is one."""

    base: str
    """Folder of the checkpoint, relative to the recipe."""
    adapter: str | None = None
    """Folder of a LoRA adapter that is merged into the base."""


class Data(Settings):
    """Files with the columns text, label and (optional) language; relative to the recipe.

    For the task chat no label is needed, and `messages`, a list of {role, content}, may stand in
    the place of a text. For summarization `summary` stands in the place of the label.
    """

    train: Texts | None = None
    """Rows that train, or that say which weights matter."""
    unlabeled: Texts | None = None
    """Text files, one text a line; shell patterns allowed."""
    validation: Texts | None = None
    """Rows that choose between candidates."""
    test: Texts | None = None
    """Rows that judge, once."""
    choices: Texts | None = None
    """Questions that judge a chat model: rows with `choices` and the right one in `label`."""
    slices: list[str] = Field(default_factory=list)
    """Further columns (gender, region …) that are judged as languages are."""


class Target(Settings):
    """What the artifact must fit."""

    cpu: Literal["x86-64-v2", "x86-64-v3", "x86-64-v4", "arm64"] | None = None
    """The least instruction set of the machines that will run it."""
    ram: Bytes | None = None
    """Memory that the loaded artifact may take, such as 2GB."""
    size: Bytes | None = None
    """Size of the artifact's folder, such as 30MB."""
    latency_p95: Seconds | None = None
    """95 of 100 test texts must be answered within this, here, on two threads; such as 20ms."""


class Must(Settings):
    """What must hold for the test set; against the teacher.

    Classification and summarization have `metric`, `keep` and `worst_language`, chat `keep` and
    the others.
    """

    metric: Literal["macro_f1", "accuracy", "rouge1", "rouge2", "rougeLsum", "chrf"] | None = None
    """What is compared: macro_f1 or accuracy for classification (macro_f1 unless given), one of the
    others for summarization (rougeLsum unless given)."""
    keep: Fraction | None = None
    """Share of the teacher's metric that must be shown to be left; of a chat model, of its accuracy
    on data.choices."""
    worst_language: Fraction | None = None
    """Share that must be left in the worst of the listed languages with 100 test rows or more."""
    kld: Positive | None = None
    """Mean divergence from the teacher's predictions, in nats a token, that must not be exceeded.
    """
    top1: Fraction | None = None
    """Share of tokens of which both hold the same for the likeliest, at least."""
    ppl_ratio: Positive | None = None
    """Perplexity as a multiple of the teacher's, at most."""
    worst_language_kld: Positive | None = None
    """`kld` in the worst of the listed languages with 1,000 test tokens or more, at most."""

    def asks(self) -> bool:
        """Whether anything must hold; `metric` alone only says how it would be measured."""
        return any(
            getattr(self, key) is not None for key in type(self).model_fields if key != "metric"
        )


# What of a recipe has a meaning for one task alone.
MUST = {
    "classification": frozenset({"metric", "keep", "worst_language"}),
    "chat": frozenset({"keep", "kld", "top1", "ppl_ratio", "worst_language_kld"}),
    "summarization": frozenset({"metric", "keep", "worst_language"}),
}
METRICS = {
    "classification": frozenset({"macro_f1", "accuracy"}),
    "chat": frozenset[str](),
    "summarization": frozenset({"rouge1", "rouge2", "rougeLsum", "chrf"}),
}
_WORDS = "belongs to summarization, and says how long a summary is"
_ABSTAIN = "belongs to classification, whose answers have a score"
MEANINGLESS = {
    "classification": {"words": _WORDS},
    "chat": {
        "prefix": "belongs to classification; a chat model's template says what stands before",
        "words": _WORDS,
    },
    "summarization": {"abstain_below": _ABSTAIN},
}


class Recipe(Settings):
    """A model, a task, languages, data, steps, outputs and what must hold."""

    version: Literal[1]
    """Version of the recipe format."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")]
    """Names the artifacts: lower-case letters, digits, dots and hyphens."""
    extends: str | None = None
    """A shipped recipe to start from, such as builtin/classify-small; one level."""
    task: Literal["classification", "chat", "summarization"]
    """What the model does: gives one of its labels, continues a text or a conversation, or shortens
    a text."""
    languages: Annotated[list[Language], Field(min_length=1)]
    """Languages that the artifact is made for and judged in."""
    model: Annotated[Checkpoint, BeforeValidator(_as_base, json_schema_input_type=str | Checkpoint)]
    """The checkpoint to start from."""
    prefix: str = ""
    """Set before every text, where the model was made to see one (e5: 'query: ')."""
    max_tokens: Annotated[int, Field(ge=8)] | None = None
    """Window of the model in tokens: longer texts are read in several parts, and longer
    conversations refused. The model's own window unless given."""
    abstain_below: Fraction = 0.0
    """Answers with a lower score are marked as abstained."""
    words: Annotated[int, Field(ge=1, le=10_000)] = 120
    """Length of a summary, unless another is asked for."""
    data: Data
    target: Target = Field(default_factory=Target)
    must: Must = Field(default_factory=Must)
    steps: list[dict[str, Any]] = Field(default_factory=list)
    """What is done to the checkpoint, in order."""
    outputs: Annotated[list[dict[str, Any]], Field(min_length=1)]
    """The artifacts that are written."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Starts every random choice."""

    @model_validator(mode="after")
    def _judged_on_something(self) -> Recipe:
        if self.task == "chat" and self.must.keep is not None and self.data.choices is None:
            raise ValueError(
                "must.keep|asks for proof, and data has no 'choices' to judge on; add them"
            )
        if self.must.asks() and self.data.test is None:
            raise ValueError(
                "must|asks for proof, and data has no 'test' rows to judge on; add them"
            )
        if len(set(self.languages)) != len(self.languages):
            raise ValueError("languages|names a language twice; name each once")
        return self

    @model_validator(mode="after")
    def _all_of_it_means_something(self) -> Recipe:
        """Nothing in a recipe is ignored silently."""
        for key in sorted(self.must.model_fields_set - MUST[self.task]):
            owner = " and ".join(task for task, keys in MUST.items() if key in keys)
            choices = ", ".join(sorted(MUST[self.task]))
            raise ValueError(f"must.{key}|is for the task {owner}; {self.task} has {choices}")
        metric = self.must.metric
        if metric is not None and metric not in METRICS[self.task]:
            choices = ", ".join(sorted(METRICS[self.task]))
            raise ValueError(f"must.metric|is {metric}; {self.task} has {choices}")
        for key, why in MEANINGLESS[self.task].items():
            if key in self.model_fields_set:
                raise ValueError(f"{key}|{why}; remove it")
        if self.task != "chat" and self.data.choices is not None:
            raise ValueError("data.choices|is for the task chat; remove it")
        if self.data.choices is not None and self.data.test is None:
            raise ValueError("data.choices|judges beside data.test, which is not there; add it")
        if self.task == "chat" and self.target.latency_p95 is not None:
            raise ValueError(
                "target.latency_p95|is for the task classification; a chat model's answers take as "
                "long as they are, remove it"
            )
        return self


@dataclass(frozen=True)
class Entry:
    """One entry of `steps` or `outputs`: its name, its checked settings, and where it stands."""

    name: str
    settings: Settings
    place: str


@dataclass(frozen=True)
class BoundRecipe:
    """A recipe whose steps and outputs are checked against what each of them allows."""

    path: Path
    recipe: Recipe
    document: Mapping[str, Any]
    """The recipe as resolved: `extends` and `--set` applied; plain JSON."""
    steps: tuple[Entry, ...]
    outputs: tuple[Entry, ...]
    places: strict_yaml.Document

    def resolve(self, path: str) -> Path:
        """A path of the recipe; relative ones are relative to the recipe's file."""
        return (self.path.parent / path).resolve()

    def place(self, *path: str | int) -> str:
        return self.places.place(path)


def read(path: Path, *, changes: Sequence[str] = ()) -> BoundRecipe:
    """Reads a recipe's file; `changes` are `a.b=c` texts. Raises RecipeError with file and line."""
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
    """Lays the recipe over the shipped one that it extends; mappings merge, lists are replaced."""
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
    """Applies one `a.b=c`; list entries are named by number, from 0."""
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
    kind, table = ("step", compress.OF_TASK[task]) if steps else ("output", FORMATS)
    bound = []
    for index, value in enumerate(values):
        place = document.place((key, index))
        if len(value) != 1:
            raise RecipeError(
                f"{place}: {kind} {index + 1} has {len(value)} keys; each {kind} is one name "
                f"with its settings, such as '- {next(iter(table))}: {{}}'."
            )
        [(name, settings)] = value.items()
        if steps and name not in table and any(name in one for one in compress.OF_TASK.values()):
            known = ", ".join(sorted(table)) or "none"
            raise RecipeError(
                f"{place}: step {index + 1} ({name}) is not for the task {task}, whose steps are: "
                f"{known}; remove it."
            )
        if name not in table:
            raise RecipeError(
                f"{place}: there is no {kind} '{name}'.{did_you_mean(name, list(table))}"
            )
        module = compress.step_module(name, task) if steps else format_module(name)
        path = (key, index, name)
        checked = _validate(module.SETTINGS, settings or {}, document, path, f"{kind} {index + 1} ")
        bound.append(Entry(name=name, settings=checked, place=place))
    return tuple(bound)


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

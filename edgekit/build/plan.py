"""Binds a recipe to its model and data, checks everything, and estimates what it will cost.

Runs nothing: no weight is loaded and nothing is written but the rates measured on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgekit import tables
from edgekit.artifact import folder as artifacts
from edgekit.build import importing, rates, suited
from edgekit.checkpoint import merging, pooling, weights
from edgekit.checkpoint.describe import Description, describe
from edgekit.checkpoint.tables import refuse_beyond, refuse_uncounted
from edgekit.data import corrected
from edgekit.data.records import form_of
from edgekit.errors import ArtifactError, RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.job.plan import Plan, PlannedStep
from edgekit.recipe import dataset as data
from edgekit.recipe.recipe import BoundRecipe, Entry
from edgekit.tables import SHRINKING, Family, format_module, step_plan, task_part

SMOKE_LAYERS = 2
DOES = {
    Family.ENCODER: "reads texts and writes none",
    Family.DECODER: "continues texts",
    Family.SEQ2SEQ: "reads a text and writes another",
}


def make(
    bound: BoundRecipe, *, out: Path | None = None, device: str = "cpu", smoke: bool = False
) -> Plan:
    """Checks a recipe against its model, its data and the output folder.

    Raises RecipeError, CheckpointError, DataError or ArtifactError for the first thing wrong.
    """
    recipe = bound.recipe
    out = out or bound.path.parent / "out"
    if smoke:
        out = out / "smoke"
    model = bound.resolve(recipe.model.base)
    adapter = bound.resolve(recipe.model.adapter) if recipe.model.adapter else None
    description = _describe(bound, model, adapter)
    layers = min(SMOKE_LAYERS, description.layers) if smoke else None
    if layers is not None:
        description = _cut(description, layers)
    suited.check_head(bound, description)
    _check_family(bound, description)
    if adapter is None:  # which may bring a tokenizer and rows of its own
        refuse_beyond(model, description)
        refuse_uncounted(model, description)
    if tables.task(recipe.task).heads[description.family] == "embedding":
        pooling.refuse_other_than_mean(model)
    task = task_part(recipe.task, "proof.judge")
    labels = task.labels(bound, description)
    max_tokens = _max_tokens(bound, description)
    _check_suited(bound)
    _check_unlabeled(bound)
    _check_files(bound)
    dataset = data.read(bound, labels=labels, several=description.several_labels)
    suited.check_rows(bound, dataset)
    suited.check_pairs(bound, dataset, description)
    if smoke:
        dataset = data.few(dataset, rows=task.TRIAL_ROWS)
    _check_proof(bound, dataset, smoke=smoke)
    for name in artifact_names(bound):
        _check_replaceable(out / name)
    _check_model_stays(bound, out, model)
    planned = _planned(bound, description, dataset, max_tokens=max_tokens, device=device)
    steps = _estimate(bound, planned)
    return Plan(
        bound=bound,
        description=description,
        dataset=dataset,
        out=out,
        model=model,
        adapter=adapter,
        max_tokens=max_tokens,
        device=device,
        layers=layers,
        teacher_before=_teacher_before(bound),
        steps=steps,
        notes=(
            *_reading_notes(bound),
            *_corrected_notes(bound, dataset),
            *_timing_notes(planned),
            *_weights_notes(model),
            *(step.cost.note for step in steps if step.cost.note),
        ),
    )


def _reading_notes(bound: BoundRecipe) -> Iterator[str]:
    """What was guessed of the files with rows."""
    for name in ("train", "validation", "test", "choices"):
        for file in getattr(bound.recipe.data, name) or ():
            yield from (f"{file} was {note}." for note in form_of(bound.resolve(file)).notes())


def _corrected_notes(bound: BoundRecipe, dataset: data.Dataset) -> Iterator[str]:
    """Labels that people corrected in an artifact of this recipe, and that do not train yet."""
    found = corrected.of(bound.recipe.name)
    if found is not None and (waiting := found.besides(dataset.train)):
        yield (
            f"{waiting:,} labels were corrected in the app and are not in data.train; add "
            f"{found.path} to it."
        )


def _timing_notes(planned: Planned) -> tuple[str, ...]:
    if planned.rates.guessed is None:
        return ()
    return (
        "The times are estimated from the numbers of parameters and tokens: one layer of the model "
        f"could not be timed ({planned.rates.guessed}).",
    )


def _describe(bound: BoundRecipe, model: Path, adapter: Path | None) -> Description:
    """The model as its steps will find it: with its adapter merged."""
    labels = bound.recipe.model.labels
    if adapter is not None:
        return merging.plan(model, adapter, labels=labels).description
    if labels is not None:
        raise RecipeError(
            f"{bound.place('model', 'labels')}: labels is for an adapter that holds a head, and "
            "the recipe has none; name labels by id2label in the checkpoint's config.json."
        )
    return describe(model)


def artifact_names(bound: BoundRecipe) -> list[str]:
    """The folder of each output: `<name>-<format>`, with the quantization where two share one."""
    formats = [entry.name for entry in bound.outputs]
    names = []
    for entry in bound.outputs:
        name = f"{bound.recipe.name}-{entry.name}"
        if formats.count(entry.name) > 1:
            name += f"-{getattr(entry.settings, 'quantize', 'none')}"
        if name in names:
            raise RecipeError(f"{entry.place}: two outputs would both be called {name}; drop one.")
        names.append(name)
    return names


def _weights_notes(model: Path) -> tuple[str, ...]:
    note = weights.find(model).note
    return (f"{model}: {note}",) if note else ()


def _teacher_before(bound: BoundRecipe) -> int:
    """The number of the first step that shrinks; the number of steps where none does."""
    shrinking = (number for number, step in enumerate(bound.steps) if step.name in SHRINKING)
    return next(shrinking, len(bound.steps))


def _max_tokens(bound: BoundRecipe, description: Description) -> int:
    asked = bound.recipe.max_tokens
    if asked is not None and asked > description.max_tokens:
        raise RecipeError(
            f"{bound.place('max_tokens')}: max_tokens is {asked}, and the model reads at most "
            f"{description.max_tokens}; lower it."
        )
    return asked or description.max_tokens


def _check_family(bound: BoundRecipe, description: Description) -> None:
    """The task must support checkpoints of this family, and so must each step."""
    name, family = bound.recipe.task, description.family
    steps = tables.steps_of(name)
    if family not in steps:
        suited = " or ".join(
            f"task: {other}" for other in tables.TASKS if family in tables.task(other).heads
        )
        raise RecipeError(
            f"{bound.place('model')}: {bound.recipe.model.base} is a {description.model_type} "
            f"model, which {DOES[family]} and is not for {name}; write {suited}, or give another "
            "checkpoint."
        )
    for number, entry in enumerate(bound.steps, 1):
        if entry.name not in steps[family]:
            raise RecipeError(
                f"{entry.place}: step {number} ({entry.name}) is not for {name} by a "
                f"{description.model_type} model, which {DOES[family]}: its steps are "
                f"{', '.join(sorted(steps[family]))}; remove it, or take another checkpoint."
            )


def _check_suited(bound: BoundRecipe) -> None:
    """Every output must support models for the recipe's task."""
    engines = tables.task(bound.recipe.task).engines
    for number, entry in enumerate(bound.outputs, 1):
        if entry.name not in engines:
            raise RecipeError(
                f"{entry.place}: output {number} ({entry.name}) cannot hold a model for "
                f"{bound.recipe.task}; write {', '.join(sorted(engines))}."
            )


def _check_unlabeled(bound: BoundRecipe) -> None:
    """Refuses unlabeled texts that no step reads: nothing in a recipe is ignored silently."""
    read = any(entry.settings.reads_unlabeled for entry in (*bound.steps, *bound.outputs))
    if bound.recipe.data.unlabeled and not read:
        raise RecipeError(
            f"{bound.place('data', 'unlabeled')}: no step of this recipe reads data.unlabeled; "
            "remove it."
        )


def _check_files(bound: BoundRecipe) -> None:
    for entry in bound.steps:
        for name in entry.settings.files:
            if not bound.resolve(name).exists():
                raise RecipeError(
                    f"{entry.place}: {entry.name} names {name}, which does not exist; paths are "
                    "relative to the recipe."
                )


def _check_proof(bound: BoundRecipe, dataset: data.Dataset, *, smoke: bool) -> None:
    """Every listed language must be in the test set, or nothing is proven for it."""
    if not dataset.test or smoke:
        return
    asked = {row.language for row in dataset.choices}
    if asked and not asked & {None, *bound.recipe.languages}:
        raise RecipeError(
            f"{bound.place('data', 'choices')}: no row of data.choices is in a language of the "
            "recipe; add rows that are, or remove it."
        )
    tested = {row.language for row in dataset.test}
    missing = [language for language in bound.recipe.languages if language not in tested]
    if missing:
        raise RecipeError(
            f"{bound.place('languages')}: no row of data.test is in '{missing[0]}'; add rows with "
            "that language, or remove it from languages."
        )


def _check_replaceable(folder: Path) -> None:
    """An earlier artifact may be replaced; anything else there is somebody's work."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        artifacts.read(folder)
    except ArtifactError as error:
        raise ArtifactError(
            f"{folder} exists and is not an artifact that a recipe left; move it away or choose "
            "another --out."
        ) from error


def _check_model_stays(bound: BoundRecipe, out: Path, model: Path) -> None:
    """A recipe may start from the teacher of an earlier build, but must not overwrite it."""
    changed = bound.recipe.model.adapter is not None or _teacher_before(bound) > 0
    if changed and model == (out / "teacher").resolve():
        raise RecipeError(
            f"{bound.place('model')}: the teacher of this recipe would replace its own model, "
            f"{model}; choose another --out."
        )


def _cut(description: Description, layers: int) -> Description:
    body = description.parameters - description.embedding_parameters
    parameters = description.embedding_parameters + body * layers // description.layers
    return replace(description, layers=layers, parameters=parameters)


def _planned(
    bound: BoundRecipe,
    description: Description,
    dataset: data.Dataset,
    *,
    max_tokens: int,
    device: str,
) -> Planned:
    model = bound.resolve(bound.recipe.model.base)
    task = task_part(bound.recipe.task, "proof.judge")
    tokens = task.tokens(bound, dataset, max_tokens=max_tokens)
    rows = len(dataset.train) + len(dataset.validation) + len(dataset.test)
    batch, length = task.measured_shape(tokens, rows)
    return Planned(
        place=bound.place("steps"),
        recipe=bound.recipe,
        description=description,
        dataset=dataset,
        tokens=tokens,
        rates=rates.rates(
            model=model,
            size=rates.Size(description.layers, description.body_parameters),
            device=device,
            batch=batch,
            length=length,
            window=max_tokens,
        ),
        resolve=bound.resolve,
    )


def _estimate(bound: BoundRecipe, planned: Planned) -> tuple[PlannedStep, ...]:
    """Checks each step on what the previous one leaves, and adds up the costs."""
    steps = [PlannedStep("checkpoint", _import_cost(planned))]
    before, teacher = _teacher_before(bound), planned
    for number, entry in enumerate(bound.steps):
        if number <= before:
            teacher = planned
        if number == before:
            planned = replace(planned, teacher=teacher.description)
        planned = replace(planned, place=entry.place)
        module = step_plan(entry.name, planned.description.family)
        module.check(entry.settings, planned)
        steps.append(PlannedStep(entry.name, module.cost(entry.settings, planned)))
        planned = module.after(entry.settings, planned)
    teacher = teacher if before < len(bound.steps) else planned
    steps.append(PlannedStep("teacher", _teacher_cost(teacher)))
    steps += [_planned_output(entry, planned) for entry in bound.outputs]
    return tuple(steps)


def _planned_output(entry: Entry, planned: Planned) -> PlannedStep:
    made = format_module(entry.name).cost(entry.settings, planned)
    judging = task_part(planned.recipe.task, "proof.judge").judging_cost(planned)
    return PlannedStep(entry.name, _both(made, judging))


def _import_cost(planned: Planned) -> Cost:
    """The folder is copied; then transformers and edgekit each load it, and answer some rows."""
    size, rates = planned.description.fp32_bytes, planned.rates
    return Cost(
        seconds=4 * size * rates.write_seconds_per_byte
        + importing.HELD_TOKENS * rates.forward_seconds_per_token,
        peak_bytes=rates.torch_bytes + min(size, importing.MOST_HELD_BYTES),
        disk_bytes=size,
    )


def _teacher_cost(planned: Planned) -> Cost:
    """Its folder is copied to the output, and it answers the rows that judge."""
    size = planned.description.fp32_bytes
    copied = Cost(
        seconds=size * planned.rates.write_seconds_per_byte, peak_bytes=0, disk_bytes=size
    )
    return _both(copied, task_part(planned.recipe.task, "proof.judge").teacher_cost(planned))


def _both(first: Cost, second: Cost) -> Cost:
    """The cost of one after the other."""
    return Cost(
        seconds=first.seconds + second.seconds,
        peak_bytes=max(first.peak_bytes, second.peak_bytes),
        disk_bytes=first.disk_bytes + second.disk_bytes,
    )

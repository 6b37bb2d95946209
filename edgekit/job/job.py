"""What a step or an output gets: `Planned` before a run, `Job` during it. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from edgekit.artifact.specs import Frame
from edgekit.checkpoint.describe import Description
from edgekit.data.rows import Row
from edgekit.job.cost import Rates
from edgekit.job.crew import Crew
from edgekit.job.events import OnProgress as OnProgress
from edgekit.recipe.dataset import Dataset
from edgekit.recipe.recipe import Recipe
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
from edgekit.store.store import Finished
from edgekit.system import devices

Resolve = Callable[[str], Path]
"""Resolves a path of a recipe: relative ones are relative to its file."""
Make = Callable[[Path, OnProgress], Mapping[str, Any]]
"""Writes into an empty folder, reports the fraction done, and returns what it did as JSON."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many tokens the texts have, estimated from a sample."""

    train: int
    validation: int
    test: int
    longest: int
    """Tokens of the longest window that a batch will hold."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The checkpoint as a step will find it, and the data."""

    place: str
    """The step's place in the recipe."""
    recipe: Recipe
    description: Description
    dataset: Dataset
    tokens: Tokens
    rates: Rates
    resolve: Resolve
    teacher: Description | None = None
    """The checkpoint that entered the first step that shrinks the model; None before that step."""

    def activation_bytes(self, rows: int) -> int:
        """What training keeps of `rows` rows for the backward pass, micro-batch by micro-batch."""
        found, longest = self.description, self.tokens.longest
        shape = {"layers": found.layers, "hidden": found.hidden, "heads": found.heads}
        tokens = min(rows * longest, devices.micro_batch_tokens(longest, **shape))
        return devices.activation_bytes(tokens, longest, **shape)


class RunStored(Protocol):
    """Makes something through the step store, with events, unless the store has it already."""

    def __call__(self, name: str, inputs: Mapping[str, Any], make: Make) -> Finished: ...


@dataclass(frozen=True, slots=True)
class Job:
    """One step's work: read `checkpoint`, write into `out`."""

    checkpoint: Path
    description: Description
    teacher: Path
    """The checkpoint that entered the first step that shrinks the model: this step's own, if it is
    the first. Its vocabulary may differ."""
    teacher_digest: str
    out: Path
    recipe: Recipe
    dataset: Dataset
    """Without the test set."""
    max_tokens: int
    device: str
    common: Mapping[str, Any]
    """What stored work with the teacher depends on, besides its own inputs."""
    resolve: Resolve
    run_stored: RunStored
    """For work that does not depend on this step's settings, such as a teacher's logits."""
    on_progress: OnProgress
    crew: Crew | None = None
    """The processes that share the step's training; None if there is only one."""

    def encoder(self, folder: Path) -> TextTokenizer:
        """The tokenizer of a checkpoint, with the recipe's prefix and window."""
        place = folder / TOKENIZER
        return TextTokenizer(place, prefix=self.recipe.prefix, max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True)
class OutputJob:
    """One output's work: turn `checkpoint` into the files of an artifact."""

    checkpoint: Path
    checkpoint_digest: str
    rows: Sequence[Row]
    """Real rows that prove the export and choose between candidates: never the test set's."""
    rows_digest: str
    prefix: str
    max_tokens: int
    packages: Mapping[str, str]
    run: RunStored
    head: str
    """The kind of output to export: a key of tables.HEADS, or `tokens`."""
    calibration: Sequence[Row] = ()
    """Rows that say which weights matter: the training rows and the unlabelled texts."""
    calibration_digest: str = ""
    languages: Sequence[str] = ()
    """The recipe's."""
    seed: int = 0
    frames: Mapping[str, Frame] = field(default_factory=dict)
    """By a row's language, which is a direction, the special tokens that name both languages; empty
    where rows have no direction."""

    def inputs(self, version: int) -> dict[str, Any]:
        """What an export of this version depends on if it reads the rows as the model does."""
        directed = {
            "frames": {name: asdict(one) for name, one in self.frames.items()},
            "directions": [row.language for row in self.rows],
        }
        return {
            **(directed if self.frames else {}),
            "checkpoint": self.checkpoint_digest,
            "rows": self.rows_digest,
            "prefix": self.prefix,
            "max_tokens": self.max_tokens,
            "version": version,
            "packages": self.packages,
        }


@dataclass(frozen=True, slots=True)
class Exported:
    """The model file of an artifact, and how it was made."""

    model: Path
    quantization: str
    record: dict[str, Any]
    """What was proven and tried; the same on every run."""
    further: tuple[Path, ...] = ()
    """Further files of the model, which keep their names in the artifact."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """Search settings of a generative model, for the manifest's `model.summary`."""

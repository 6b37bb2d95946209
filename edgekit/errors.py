"""Every error that edgekit raises on purpose. A message names the place, the fault and the remedy.

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


class EdgekitError(Exception):
    """Base of all errors; an app prints its message without a traceback and exits with 1."""


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


class MissingExtra(EdgekitError):
    """Names the extra that brings the package."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs the package '{package}', which is not installed: "
            f"pip install 'edgekit[{extra}]'"
        )
        self.package = package
        self.extra = extra

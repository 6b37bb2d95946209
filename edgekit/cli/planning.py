"""From the arguments of a command to a plan."""

from __future__ import annotations

import argparse

from edgekit import plan, recipe
from edgekit.errors import EdgekitError, MissingExtra
from edgekit.plan import Plan


def make_plan(settings: argparse.Namespace) -> Plan:
    """Reads the recipe that the command names and checks it. Raises EdgekitError."""
    bound = recipe.read(settings.recipe, changes=settings.changes)
    return plan.make(bound, out=settings.out, device=_device(settings.device), smoke=settings.smoke)


def _device(asked: str) -> str:
    """`auto` is the GPU where there is one; asking for one that is not there is an error."""
    if asked == "cpu":
        return "cpu"
    try:
        import torch  # heavy: only where the device must be looked for
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", "compress") from error
    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise EdgekitError(
            "--device cuda: the installed torch finds no GPU here; use --device cpu, or install a "
            "CUDA build of torch and the GPU's driver (`edgekit doctor` shows what there is)."
        )
    return "cpu"

"""From the arguments of a command to a plan."""

from __future__ import annotations

import argparse

from edgekit.build import plan
from edgekit.job.plan import Plan
from edgekit.recipe import recipe
from edgekit.system import devices
from edgekit.system.devices import Device


def make_plan(settings: argparse.Namespace) -> Plan:
    """Reads the recipe that the command names and checks it. Raises EdgekitError."""
    bound = recipe.read(settings.recipe, changes=settings.changes)
    device = choose_device(settings.device)
    return plan.make(bound, out=settings.out, device=device, smoke=settings.smoke)


def choose_device(asked: devices.Asked) -> Device:
    """The device of this machine that `--device` stands for. Raises EdgekitError, MissingExtra."""
    # torch takes seconds to import: it is imported only where the answer depends on it.
    return devices.choose_device(asked, None if asked == "cpu" else devices.find_gpu())

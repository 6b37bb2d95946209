"""What the step is told, which is nothing."""

from __future__ import annotations

from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.recipe.settings import Settings

VERSION = 1


class SpySettings(Settings):
    """It has none."""


SETTINGS = SpySettings


def check(settings: SpySettings, planned: Planned) -> None:
    pass


def after(settings: SpySettings, planned: Planned) -> Planned:
    return planned


def cost(settings: SpySettings, planned: Planned) -> Cost:
    return Cost(seconds=0.0, peak_bytes=1, disk_bytes=1)

"""Its self-test is a classifier's."""

from edgekit.tasks.classification.golden import read

__all__ = ["read"]

"""A worker answers it as it does a classifier."""

from edgekit.tasks.classification.wire import AT_ONCE, VERBS, facts

__all__ = ["AT_ONCE", "VERBS", "facts"]

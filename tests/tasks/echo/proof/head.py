"""It is trained as a classifier is."""

from edgekit.tasks.classification.proof.head import Head

__all__ = ["Head"]

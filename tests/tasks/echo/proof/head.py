"""It is trained as a classifier is."""

from edgekit.tasks.classification.proof.head import Head, of

__all__ = ["Head", "of"]
